#include "core/machine.hpp"

#include <algorithm>

#include "core/plan_rules.hpp"
#include "core/rules.hpp"

namespace hive::core {
namespace {

struct meta_row {
  const char* name;
  std::uint64_t (*get)(const meta_values&);
  void (*set)(meta_values&, std::uint64_t);
};

template <auto Field>
constexpr meta_row meta_field(const char* name) {
  using value_type = std::remove_reference_t<decltype(std::declval<meta_values&>().*Field)>;
  return {name, [](const meta_values& meta) { return static_cast<std::uint64_t>(meta.*Field); },
          [](meta_values& meta, std::uint64_t value) { meta.*Field = static_cast<value_type>(value); }};
}

constexpr std::array<meta_row, 6> meta_rows{
    meta_field<&meta_values::next_task>("next_task"),           meta_field<&meta_values::next_worker>("next_worker"),
    meta_field<&meta_values::next_event>("next_event"),         meta_field<&meta_values::first_event>("first_event"),
    meta_field<&meta_values::next_signature>("next_signature"), meta_field<&meta_values::applied_time>("applied_time")};

meta_values load_meta(const table_reader& tables) {
  meta_values meta;
  for (const meta_row& row : meta_rows) {
    const auto value = tables.get(table::meta, row.name);
    if (!value) continue;
    if (value->size() != 8) throw table_error(errc::data_loss, std::string{"meta "} + row.name + " is not 8 bytes");
    row.set(meta, read_u64(*value, 0));
  }
  return meta;
}

void load_workers(machine_state& state, const table_reader& tables) {
  state.workers.clear();
  tables.scan(table::worker, {}, [&](std::string_view, std::string_view bytes) {
    v1::Worker record;
    if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      throw table_error(errc::data_loss, "a worker's record cannot be read");
    }
    if (record.state() != v1::WORKER_STATE_ACTIVE && record.state() != v1::WORKER_STATE_DRAINING) return true;
    worker_entry& entry = state.workers[record.id()];
    entry.record = std::move(record);
    match_signatures(state, entry);
    return true;
  });
}

v1::Outcome dispatch(context& on, const v1::Command& command) {
  using body = v1::Command::BodyCase;
  switch (command.body_case()) {
    case body::kCreateTask:
      return apply_create_task(on, command.create_task());
    case body::kUpdateTaskStatus:
      return apply_update_task_status(on, command.update_task_status());
    case body::kReport:
      return apply_report(on, worker_id{command.reporting_worker_id()}, command.report());
    case body::kCancelTask:
      return apply_cancel_task(on, command.cancel_task());
    case body::kRetryTask:
      return apply_retry_task(on, command.retry_task());
    case body::kPurgeTask:
      return apply_purge_task(on, command.purge_task());
    case body::kRegisterWorker:
      return apply_register_worker(on, command.register_worker());
    case body::kDrainWorker:
      return apply_drain_worker(on, command.drain_worker());
    case body::kEndWorker:
      return apply_end_worker(on, command.end_worker());
    case body::kOfferSlots:
      return apply_offer_slots(on, command.offer_slots());
    case body::kBeginPlan:
      return apply_begin_plan(on, command.begin_plan());
    case body::kAppendSteps:
      return apply_append_steps(on, command.append_steps());
    case body::kCommitPlan:
      return apply_commit_plan(on, command.commit_plan());
    case body::kCreatePlan:
      return apply_create_plan(on, command.create_plan());
    case body::kControlPlan:
      return apply_control_plan(on, command.control_plan());
    case body::kDropPlan:
      return apply_drop_plan(on, command.drop_plan());
    case body::kPublishEvent:
      return apply_publish_event(on, command.publish_event());
    case body::kTick:
      return apply_tick(on, command.tick());
    case body::kSetLimits:
      return apply_set_limits(on, command.set_limits());
    case body::BODY_NOT_SET:
      break;
  }
  return refuse(errc::invalid_argument, "the command has no body", "body");
}

}  // namespace

struct machine::state : machine_state {};

machine::machine(core_limits limits, std::uint16_t shard) : state_(std::make_unique<state>()) {
  state_->limits = state_->given_limits = limits;
  state_->shard = shard;
}
machine::~machine() = default;
machine::machine(machine&&) noexcept = default;
machine& machine::operator=(machine&&) noexcept = default;

result<void> machine::load(const table_reader& tables) {
  try {
    const auto stored_limits = load_limits(tables);
    state_->are_limits_stored = stored_limits.has_value();
    state_->limits = stored_limits.value_or(state_->given_limits);
    state_->meta = load_meta(tables);
    state_->stored_meta = state_->meta;
    state_->counters.load(tables);
    state_->signatures.load(tables, state_->counters);
    load_workers(*state_, tables);
    state_->ready_count = 0;
    for (std::uint32_t id = 1; id <= state_->signatures.size(); ++id) {
      state_->ready_count += static_cast<std::uint64_t>(state_->signatures.at(id).ready->value);
    }
  } catch (const table_error& failure) {
    return error{failure.code(), failure.what(), {}};
  }
  return {};
}

v1::Outcome machine::apply(const v1::Command& command, table_transaction& tables, effects& out) {
  context on{*state_, tables, out, std::max(command.time_unix_ms(), state_->meta.applied_time)};
  v1::Outcome outcome = dispatch(on, command);
  if (is_ok(outcome.status()) && !outcome.is_replay()) state_->meta.applied_time = on.now;
  return outcome;
}

void machine::flush(table_transaction& tables) {
  state_->counters.flush(tables);
  if (state_->meta == state_->stored_meta) return;
  for (const meta_row& row : meta_rows) {
    const std::uint64_t value = row.get(state_->meta);
    if (value != row.get(state_->stored_meta)) tables.put(table::meta, row.name, key{}.u64(value));
  }
  state_->stored_meta = state_->meta;
}

bool machine::has_ready_for(worker_id worker) const {
  const auto found = state_->workers.find(worker.value);
  if (found == state_->workers.end() || found->second.record.state() != v1::WORKER_STATE_ACTIVE) return false;
  const auto& signatures = found->second.signatures;
  return std::any_of(signatures.begin(), signatures.end(),
                     [this](std::uint32_t id) { return state_->signatures.at(id).ready->value > 0; });
}

std::uint64_t machine::ready_count() const { return state_->ready_count; }

std::int64_t machine::next_due_unix_ms(const table_reader& tables) const {
  std::int64_t due = -1;
  tables.scan(table::timer, {}, [&](std::string_view row, std::string_view) {
    due = static_cast<std::int64_t>(read_u64(row, 0));
    return false;
  });
  return due;
}

const core_limits& machine::limits() const { return state_->limits; }

bool machine::are_limits_stored() const { return state_->are_limits_stored; }

void effects::clear() {
  events.clear();
  assignments.clear();
  revocations.clear();
  freed_slots.clear();
}

}  // namespace hive::core
