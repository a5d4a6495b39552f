#include <algorithm>

#include "core/rules.hpp"

namespace hive::core {
namespace {

constexpr std::size_t event_name_bytes_max = 64;

bool is_event_name(std::string_view name) {
  const auto is_part = [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '_' ||
           character == '.';
  };
  return !name.empty() && name.size() <= event_name_bytes_max && std::all_of(name.begin(), name.end(), is_part);
}

std::optional<error> check_event(const core_limits& limits, const std::string& name, const std::string& data,
                                 const std::string& text, const std::string& text_field, const std::string& path) {
  if (!is_event_name(name)) {
    return error{errc::invalid_argument, "must be 1 to 64 characters of a-z, 0-9, '_' and '.'", path + "name"};
  }
  if (data.size() > limits.event_data_bytes_max) {
    return error{errc::invalid_argument, "is longer than " + std::to_string(limits.event_data_bytes_max) + " bytes",
                 path + "data"};
  }
  if (text.size() > limits.name_bytes_max) {
    return error{errc::invalid_argument, "is longer than " + std::to_string(limits.name_bytes_max) + " bytes",
                 path + text_field};
  }
  return std::nullopt;
}

template <class Body>
void cut_message(Body& body, const core_limits& limits) {
  if (body.message().size() <= limits.reason_text_bytes_max) return;
  body.mutable_message()->resize(cut_text(body.message(), limits.reason_text_bytes_max).size());
}

}  // namespace

v1::Outcome apply_publish_event(context& on, const v1::PublishEvent& command) {
  const core_limits& limits = on.state.limits;
  v1::Event event;
  if (command.has_task()) {
    const auto& task = command.task();
    if (const auto failure = check_event(limits, task.name(), task.data(), task.type(), "type", "task.")) {
      return refuse(*failure);
    }
    *event.mutable_task() = task;
    event.mutable_task()->set_is_published(true);
    cut_message(*event.mutable_task(), limits);
  } else if (command.has_workflow()) {
    const auto& flow = command.workflow();
    if (const auto failure =
            check_event(limits, flow.name(), flow.data(), flow.plan_name(), "plan_name", "workflow.")) {
      return refuse(*failure);
    }
    *event.mutable_workflow() = flow;
    event.mutable_workflow()->set_is_published(true);
    cut_message(*event.mutable_workflow(), limits);
  } else {
    return refuse(errc::invalid_argument, "neither a task nor a workflow event is given", "body");
  }
  v1::Outcome outcome;
  outcome.set_event_seq(emit(on, std::move(event)).value);
  return outcome;
}

void on_event_retention(context& on, bool is_extra) {
  const core_limits& limits = on.state.limits;
  meta_values& meta = on.state.meta;
  const std::int64_t oldest_ms = on.now - limits.event_retention_ms;
  std::uint64_t kept_from = meta.first_event;
  on.tables.scan(table::event, key{}.u64(meta.first_event), [&](std::string_view at, std::string_view bytes) {
    v1::Event event;
    if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      throw table_error(errc::data_loss, "event " + std::to_string(read_u64(at, 0)) + " cannot be read");
    }
    const bool is_too_many = meta.next_event - event.seq() > limits.events_max;
    // The extra timer never empties the table: the hourly one, which is armed as well, would not know.
    const bool is_too_old = !is_extra && event.time_unix_ms() <= oldest_ms;
    if (!is_too_old && !is_too_many) return false;
    kept_from = event.seq() + 1;
    return kept_from - meta.first_event < limits.purge_batch_max;
  });
  const bool is_more = kept_from - meta.first_event >= limits.purge_batch_max;
  for (; meta.first_event < kept_from; ++meta.first_event) on.tables.erase(table::event, key{}.u64(meta.first_event));
  const std::uint64_t id = is_extra ? 1 : 0;
  if (is_more) {
    arm_timer(on, on.now, timer_kind::event_retention, id);
  } else if (!is_extra && meta.first_event < meta.next_event) {
    arm_timer(on, due_after(on.now, event_sweep_ms(limits)), timer_kind::event_retention, id);
  }
}

}  // namespace hive::core
