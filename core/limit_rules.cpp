#include "core/limit_rules.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/rules.hpp"

namespace hive::core {
namespace {

/// One limit: its name, which is also the end of its key in table::meta, and its place.
struct limit_row {
  std::string_view name;
  std::int64_t max;
  std::int64_t (*get)(const core_limits&);
  void (*set)(core_limits&, std::int64_t);
};

template <auto Field>
constexpr limit_row row_of(std::string_view name) {
  using value_type = std::remove_reference_t<decltype(std::declval<core_limits&>().*Field)>;
  constexpr std::int64_t max = std::numeric_limits<std::int64_t>::max();
  constexpr std::uint64_t type_max = std::numeric_limits<value_type>::max();
  return {name, type_max < static_cast<std::uint64_t>(max) ? static_cast<std::int64_t>(type_max) : max,
          [](const core_limits& limits) {
            return static_cast<std::int64_t>(std::min<std::uint64_t>(static_cast<std::uint64_t>(limits.*Field), max));
          },
          [](core_limits& limits, std::int64_t value) { limits.*Field = static_cast<value_type>(value); }};
}

constexpr std::array limit_rows{row_of<&core_limits::payload_bytes_max>("payload_bytes_max"),
                                row_of<&core_limits::title_bytes_max>("title_bytes_max"),
                                row_of<&core_limits::name_bytes_max>("name_bytes_max"),
                                row_of<&core_limits::label_value_bytes_max>("label_value_bytes_max"),
                                row_of<&core_limits::capabilities_max>("capabilities_max"),
                                row_of<&core_limits::worker_capabilities_max>("worker_capabilities_max"),
                                row_of<&core_limits::labels_max>("labels_max"),
                                row_of<&core_limits::reason_text_bytes_max>("reason_text_bytes_max"),
                                row_of<&core_limits::progress_message_bytes_max>("progress_message_bytes_max"),
                                row_of<&core_limits::slots_max>("slots_max"),
                                row_of<&core_limits::signatures_max>("signatures_max"),
                                row_of<&core_limits::workers_max>("workers_max"),
                                row_of<&core_limits::attempts_max>("attempts_max"),
                                row_of<&core_limits::log_bytes_max>("log_bytes_max"),
                                row_of<&core_limits::log_chunk_bytes_max>("log_chunk_bytes_max"),
                                row_of<&core_limits::event_data_bytes_max>("event_data_bytes_max"),
                                row_of<&core_limits::plan_steps_max>("plan_steps_max"),
                                row_of<&core_limits::step_needs_max>("step_needs_max"),
                                row_of<&core_limits::plan_edges_max>("plan_edges_max"),
                                row_of<&core_limits::sweep_steps_max>("sweep_steps_max"),
                                row_of<&core_limits::release_steps_max>("release_steps_max"),
                                row_of<&core_limits::purge_batch_max>("purge_batch_max"),
                                row_of<&core_limits::poison_workers_lost>("poison_workers_lost"),
                                row_of<&core_limits::cancel_grace_ms>("cancel_grace_ms"),
                                row_of<&core_limits::return_backoff_ms>("return_backoff_ms"),
                                row_of<&core_limits::retention_ms>("retention_ms"),
                                row_of<&core_limits::event_retention_ms>("event_retention_ms"),
                                row_of<&core_limits::events_max>("events_max"),
                                row_of<&core_limits::plan_upload_ms>("plan_upload_ms"),
                                row_of<&core_limits::retry_attempts>("retry_attempts"),
                                row_of<&core_limits::backoff_initial_ms>("backoff_initial_ms"),
                                row_of<&core_limits::backoff_multiplier_permille>("backoff_multiplier_permille"),
                                row_of<&core_limits::backoff_max_ms>("backoff_max_ms")};

struct anything {
  template <typename T>
  constexpr operator T() const;  // NOLINT(google-explicit-constructor): it stands for a value of any type
};
template <typename T, std::size_t... Index>
constexpr bool has_fields(std::index_sequence<Index...>) {
  return requires { T{(static_cast<void>(Index), anything{})...}; };
}
static_assert(has_fields<core_limits>(std::make_index_sequence<limit_rows.size()>{}) &&
                  !has_fields<core_limits>(std::make_index_sequence<limit_rows.size() + 1>{}),
              "a limit without a row would not be the same on all nodes");

std::string key_of(const limit_row& row) { return "limit." + std::string{row.name}; }

}  // namespace

v1::SetLimits set_limits(const core_limits& limits) {
  v1::SetLimits command;
  for (const limit_row& row : limit_rows) {
    auto& one = *command.add_limits();
    one.set_name(std::string{row.name});
    one.set_value(row.get(limits));
  }
  return command;
}

v1::Outcome apply_set_limits(context& on, const v1::SetLimits& command) {
  if (command.limits_size() != static_cast<int>(limit_rows.size()))
    return refuse(errc::invalid_argument, "must name each of the limits once", "set_limits.limits");
  core_limits limits;
  for (const limit_row& row : limit_rows) {
    const auto given = std::find_if(command.limits().begin(), command.limits().end(),
                                    [&row](const auto& one) { return one.name() == row.name; });
    const std::string field = "set_limits." + std::string{row.name};
    if (given == command.limits().end()) return refuse(errc::invalid_argument, "is missing", field);
    if (given->value() < 0 || given->value() > row.max)
      return refuse(errc::invalid_argument, "must be in 0 .. " + std::to_string(row.max), field);
    row.set(limits, given->value());
  }
  for (const limit_row& row : limit_rows)
    on.tables.put(table::meta, key_of(row), key{}.u64(static_cast<std::uint64_t>(row.get(limits))));
  on.state.limits = limits;
  on.state.are_limits_stored = true;
  return {};
}

std::optional<core_limits> load_limits(const table_reader& tables) {
  core_limits limits;
  for (const limit_row& row : limit_rows) {
    const auto value = tables.get(table::meta, key_of(row));
    // None were ever set, or a version did that has fewer limits: they have to be set (again).
    if (!value) return std::nullopt;
    if (value->size() != 8 || read_u64(*value, 0) > static_cast<std::uint64_t>(row.max))
      throw table_error(errc::data_loss, "meta " + key_of(row) + " makes no sense");
    row.set(limits, static_cast<std::int64_t>(read_u64(*value, 0)));
  }
  return limits;
}

}  // namespace hive::core
