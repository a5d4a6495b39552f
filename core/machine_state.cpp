#include "core/machine_state.hpp"

#include <algorithm>
#include <limits>

namespace hive::core {
namespace {

constexpr std::int64_t event_sweep_ms_max = 3'600'000;
constexpr std::int64_t event_sweep_ms_min = 1'000;
// How often the number of events is looked at: once every so many.
constexpr std::uint64_t events_checked_every = 10'000;

[[noreturn]] void throw_unreadable(table where) {
  const auto name = table_names[static_cast<std::size_t>(where)];
  throw table_error(errc::data_loss, "a record of table " + std::string{name} + " cannot be read");
}

void parse(table where, std::string_view bytes, google::protobuf::MessageLite& message) {
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) throw_unreadable(where);
}

}  // namespace

// ---- records --------------------------------------------------------------------------------

bool read_message(const table_reader& tables, table where, std::string_view at,
                  google::protobuf::MessageLite& message) {
  const auto bytes = tables.get(where, at);
  if (!bytes) return false;
  parse(where, *bytes, message);
  return true;
}

void put_message(context& on, table where, std::string_view at, const google::protobuf::MessageLite& message) {
  message.SerializeToString(&on.state.scratch);
  on.tables.put(where, at, on.state.scratch);
}

void append_message(context& on, table where, std::string_view at, const google::protobuf::MessageLite& message) {
  message.SerializeToString(&on.state.scratch);
  on.tables.append(where, at, on.state.scratch);
}

std::optional<v1::TaskStatus> load_status(const context& on, task_id id) {
  std::optional<v1::TaskStatus> status{std::in_place};
  if (!read_message(on.tables, table::task_status, key{}.u64(id.value), *status)) status.reset();
  return status;
}

void store_status(context& on, task_id id, const v1::TaskStatus& status) {
  put_message(on, table::task_status, key{}.u64(id.value), status);
}

std::optional<v1::TaskSpec> load_spec(const context& on, task_id id) {
  std::optional<v1::TaskSpec> spec{std::in_place};
  if (!read_message(on.tables, table::task_spec, key{}.u64(id.value), *spec)) spec.reset();
  return spec;
}

v1::TaskSpec require_spec(const context& on, task_id id) {
  v1::TaskSpec spec;
  if (!read_message(on.tables, table::task_spec, key{}.u64(id.value), spec)) {
    throw table_error(errc::data_loss, to_string(id) + " has no spec");
  }
  return spec;
}

std::optional<v1::TaskResult> load_result(const context& on, task_id id) {
  std::optional<v1::TaskResult> result{std::in_place};
  if (!read_message(on.tables, table::task_result, key{}.u64(id.value), *result)) result.reset();
  return result;
}

// ---- outcomes -------------------------------------------------------------------------------

v1::Outcome refuse(const error& failure) {
  v1::Outcome outcome;
  *outcome.mutable_status() = to_status(failure);
  return outcome;
}

v1::Outcome refuse(errc code, std::string message, std::string field) {
  return refuse(error{code, std::move(message), std::move(field)});
}

v1::Outcome accept(task_id id, const v1::TaskStatus& status) {
  v1::Outcome outcome;
  outcome.set_id(id.value);
  outcome.set_state(status.state());
  outcome.set_attempt(status.attempt());
  return outcome;
}

error no_such_task(task_id id) { return {errc::not_found, "there is no task " + to_string(id), "task_id"}; }

std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  // Bytes 10xxxxxx go on with a character: step back to its first byte.
  std::size_t size = bytes_max;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

// ---- events ---------------------------------------------------------------------------------

std::int64_t event_sweep_ms(const core_limits& limits) {
  return std::clamp(limits.event_retention_ms, event_sweep_ms_min, event_sweep_ms_max);
}

namespace {

// The newest entry of the effects is complete: number it and write it to the log.
event_seq seal_newest_event(context& on) {
  meta_values& meta = on.state.meta;
  if (meta.next_event == meta.first_event) {
    arm_timer(on, due_after(on.now, event_sweep_ms(on.state.limits)), timer_kind::event_retention, 0);
  }
  v1::Event& event = on.out.events.back();
  const event_seq seq{meta.next_event++};
  if (seq.value % events_checked_every == 0 && meta.next_event - meta.first_event > on.state.limits.events_max) {
    arm_timer(on, on.now, timer_kind::event_retention, 1);
  }
  event.set_seq(seq.value);
  event.set_time_unix_ms(on.now);
  append_message(on, table::event, key{}.u64(seq.value), event);
  return seq;
}

}  // namespace

event_seq emit(context& on, v1::Event&& event) {
  on.out.events.push_back(std::move(event));
  return seal_newest_event(on);
}

event_seq emit_task(context& on, std::string_view name, task_id id, const v1::TaskStatus& status,
                    const event_details& details) {
  v1::TaskEvent& task = *on.out.events.emplace_back().mutable_task();
  task.set_name(name.data(), name.size());
  task.set_task_id(id.value);
  task.set_state(status.state());
  task.set_attempt(status.attempt());
  task.set_worker_id(status.worker_id());
  task.set_reason(status.reason());
  task.set_type(type_of(on, status));
  task.set_plan_id(status.plan_id());
  task.set_step_index(status.step_index());
  task.set_progress_ppm(status.progress_ppm());
  if (!details.message.empty()) task.set_message(details.message.data(), details.message.size());
  task.set_due_unix_ms(details.due_unix_ms);
  task.set_wait_ms(details.wait_ms);
  task.set_total_ms(details.total_ms);
  return seal_newest_event(on);
}

// ---- counters -------------------------------------------------------------------------------

void count_task(context& on, const v1::TaskStatus& status, std::int64_t delta) {
  const auto& signature = on.state.signatures.at(status.signature_id());
  const auto state = static_cast<std::size_t>(status.state());
  if (state >= task_state_count) throw table_error(errc::data_loss, "a task has an unknown state");
  on.state.counters.add(*signature.by_state[state], delta);
}

void count_plan(context& on, v1::PlanState state, std::int64_t delta) {
  on.state.counters.add(key{}.bytes("p").u8(static_cast<std::uint8_t>(state)), delta);
}

void count_worker(context& on, v1::WorkerState state, std::int64_t delta) {
  on.state.counters.add(key{}.bytes("w").u8(static_cast<std::uint8_t>(state)), delta);
}

const std::string& type_of(const context& on, const v1::TaskStatus& status) {
  return on.state.signatures.at(status.signature_id()).record.type();
}

// ---- timers ---------------------------------------------------------------------------------

std::int64_t due_after(std::int64_t now_unix_ms, std::int64_t delay_ms) {
  if (delay_ms <= 0) return now_unix_ms;
  if (now_unix_ms > std::numeric_limits<std::int64_t>::max() - delay_ms) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return now_unix_ms + delay_ms;
}

void arm_timer(context& on, std::int64_t due_unix_ms, timer_kind kind, std::uint64_t id, std::string_view value) {
  on.tables.put(table::timer, key{}.time(due_unix_ms).u8(static_cast<std::uint8_t>(kind)).u64(id), value);
}

}  // namespace hive::core
