#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "core/counter_table.hpp"
#include "core/keys.hpp"
#include "core/limits.hpp"
#include "core/machine.hpp"
#include "core/signature_table.hpp"
#include "core/table.hpp"
#include "core/task_state.hpp"

/// Internal to core: what the rules (core/*_rules.*) share. Nothing outside core includes this.
namespace hive::core {

/// A registered worker that is ACTIVE or DRAINING; the record of any other is read from its table.
struct worker_entry {
  v1::Worker record;
  std::vector<std::uint32_t> signatures;  // that it fits, ascending
};

/// Numbers that go into table::meta.
struct meta_values {
  std::uint64_t next_task = 1;  // sequences; make_id adds the shard
  std::uint64_t next_worker = 1;
  std::uint64_t next_event = 1;
  std::uint64_t first_event = 1;  // oldest event that is still there; next_event if there is none
  std::uint64_t next_signature = 1;
  std::int64_t applied_time = 0;  // time of the last command that changed something

  friend bool operator==(const meta_values&, const meta_values&) = default;
};

/// The machine's caches. All of it can be rebuilt from the tables.
struct machine_state {
  core_limits limits;
  core_limits given_limits;  // those that hold while none are stored
  bool are_limits_stored = false;
  std::uint16_t shard = 1;
  meta_values meta;
  meta_values stored_meta;  // as it stands in the tables
  counter_table
      counters;  // see count_task, count_plan, count_worker, and "r" | signature u32: ready rows of a signature
  signature_table signatures;
  std::map<std::uint64_t, worker_entry> workers;
  std::uint64_t ready_count = 0;
  std::string scratch;  // for serializing, to keep its capacity
};

/// One command under way. `now` never goes back from one command to the next.
struct context {
  machine_state& state;
  table_transaction& tables;
  effects& out;
  std::int64_t now;
};

// ---- records --------------------------------------------------------------------------------
// Reading throws table_error data_loss if a record cannot be parsed.

std::optional<v1::TaskStatus> load_status(const context& on, task_id id);
void store_status(context& on, task_id id, const v1::TaskStatus& status);
std::optional<v1::TaskSpec> load_spec(const context& on, task_id id);
/// load_spec for a task whose status exists: data_loss if there is none.
v1::TaskSpec require_spec(const context& on, task_id id);
std::optional<v1::TaskResult> load_result(const context& on, task_id id);

/// Any message, serialized through the scratch buffer.
void put_message(context& on, table where, std::string_view at, const google::protobuf::MessageLite& message);
void append_message(context& on, table where, std::string_view at, const google::protobuf::MessageLite& message);
/// False if there is no such row; data_loss if it cannot be parsed.
bool read_message(const table_reader& tables, table where, std::string_view at, google::protobuf::MessageLite& message);

// ---- outcomes -------------------------------------------------------------------------------

v1::Outcome refuse(errc code, std::string message, std::string field = {});
v1::Outcome refuse(const error& failure);
/// ok, with the task's id, state and attempt.
v1::Outcome accept(task_id id, const v1::TaskStatus& status);

// ---- events ---------------------------------------------------------------------------------

/// What an event says beyond the task's status.
struct event_details {
  std::string_view message = {};
  std::int64_t due_unix_ms = 0;
  std::int64_t wait_ms = 0;
  std::int64_t total_ms = 0;
};

/// Time between two looks at the age of the oldest events: the retention, but 1 s to 1 h.
std::int64_t event_sweep_ms(const core_limits& limits);
/// Gives `event` (body set) the next sequence and the command's time, appends it to the log and to the
/// effects. Returns the sequence.
event_seq emit(context& on, v1::Event&& event);
/// A task's event with everything that its status and signature say.
event_seq emit_task(context& on, std::string_view name, task_id id, const v1::TaskStatus& status,
                    const event_details& details = {});

// ---- counters -------------------------------------------------------------------------------

void count_task(context& on, const v1::TaskStatus& status, std::int64_t delta);  // "t" | state u8 | type
void count_plan(context& on, v1::PlanState state, std::int64_t delta);           // "p" | state u8
void count_worker(context& on, v1::WorkerState state, std::int64_t delta);       // "w" | state u8

/// The name of the task's type, from its signature.
const std::string& type_of(const context& on, const v1::TaskStatus& status);

// ---- timers ---------------------------------------------------------------------------------

/// A timer is never disarmed when its reason goes: whoever it fires for compares with the status.
void arm_timer(context& on, std::int64_t due_unix_ms, timer_kind kind, std::uint64_t id, std::string_view value = {});
/// Adds without overflow; negative delays count as 0.
std::int64_t due_after(std::int64_t now_unix_ms, std::int64_t delay_ms);

// ---- creating tasks -------------------------------------------------------------------------

/// Cheap defensive check of a spec that a facade has normalized: sizes, order of the sorted lists,
/// ranges. invalid_argument with the field's path. Does not look at limits.signatures_max.
std::optional<error> check_spec(const core_limits& limits, const v1::TaskSpec& spec, const std::string& path);
/// resource_exhausted if interning this spec would go over limits.signatures_max.
std::optional<error> check_signature(const context& on, const v1::TaskSpec& spec);

/// The first status of a task: times, priority, signature (interned), flags; state still UNSPECIFIED.
v1::TaskStatus new_status(context& on, const v1::TaskSpec& spec);
/// The next `count` task ids, in order; returns the first.
task_id take_task_ids(context& on, std::uint64_t count = 1);
/// Writes spec, status, index and timers of a new task, its idempotency row, counts it and emits task.created
/// and, if it may run now, task.queued. The spec has been checked; ids must be taken in order.
v1::TaskStatus create_task(context& on, task_id id, const v1::TaskSpec& spec);

// ---- task transitions -----------------------------------------------------------------------
// `status` is what is stored (or about to be) for the task: every verb changes it in place. Verbs
// marked [stores] have written it when they return; the others leave that to the caller.

/// The index row of the task's state (by_state, ready or lease) and the ready counts; not the counters.
void put_index(context& on, task_id id, const v1::TaskStatus& status);
void erase_index(context& on, task_id id, const v1::TaskStatus& status);

/// Moves index rows and counters from the present state to `to`, sets state, reason and text (cut to its
/// limit), clears the due time. A held task that is let go puts its worker into effects.freed_slots; worker_id
/// is kept in final states (who ran it last) and cleared in all others. Throws table_error internal if the table
/// (core/task_state.cpp) forbids it: a broken rule must not reach the disk. No event, no timer.
void transition(context& on, task_id id, v1::TaskStatus& status, v1::TaskState to, v1::Reason reason,
                std::string_view text = {});

/// Arms the total timeout of a task that has one; it counts from the creation. create_task does it by itself.
void arm_total_timeout(context& on, task_id id, const v1::TaskStatus& status, const v1::TaskSpec& spec);

/// make_ready without its event and without storing.
void enter_ready(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text,
                 const v1::TaskSpec* spec);

/// [stores] scheduled or blocked (or new, state UNSPECIFIED), or held -> queued; or -> scheduled with reason
/// NOT_BEFORE if that lies ahead. Arms the timers for it and emits task.queued (nothing if scheduled). `spec`
/// spares a read if the caller has it. Resets progress and a requested cancel. A final task (retry) works, too.
void make_ready(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text = {},
                const v1::TaskSpec* spec = nullptr);

/// [stores] -> a final state: times, the state's event (task.completed, ...), retention timer unless it is a
/// step. If a worker held it and did not end it itself, pass `revoked` to tell that worker. Does NOT tell the plan.
struct ending {
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  v1::Reason reason = v1::REASON_UNSPECIFIED;
  std::string_view text = {};
  bool is_revoked = false;
};
void end_task(context& on, task_id id, v1::TaskStatus& status, const ending& how);
/// [stores] end_task, then on_step_ended (core/plan_rules.hpp) if the task is a step.
void finish_task(context& on, task_id id, v1::TaskStatus& status, const ending& how);

/// [stores] queued -> leased (or running, by hand, with worker 0): next attempt, times, index. No event.
void take_lease(context& on, task_id id, v1::TaskStatus& status, worker_id worker, v1::TaskState to, v1::Reason reason);

/// [stores] Held, but not by a plan -> queued again at once (lease ended without a verdict). Tells admit_step if it is
/// a step.
void requeue_task(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text = {});

/// [stores] Held by a worker that gives it back: scheduled again after limits.return_backoff_ms, so that a worker which
/// gives back whatever it gets makes no hot loop. Not a failure. Tells the plan.
void return_task(context& on, task_id id, v1::TaskStatus& status, std::string_view text);

/// [stores] An attempt failed: counts it, then back off and retry, or end as failed (as canceled, if that was
/// requested). Tells the plan.
struct attempt_failure {
  v1::Reason reason = v1::REASON_HANDLER_ERROR;
  std::string_view text = {};
  bool is_retryable = false;
  bool is_revoked = false;  // the worker has not ended it itself
};
void fail_attempt(context& on, task_id id, v1::TaskStatus& status, const attempt_failure& how);

/// [stores] Held by a worker: asks it to stop; at the end of the grace period (0: the default) it is canceled all the
/// same. Does nothing if that has been asked before. A task held by hand is canceled at once (finish_task).
void request_cancel(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text,
                    std::int64_t grace_ms = 0);

/// Removes every row of a final task (or of a staged step): spec, status, result, log, index, idempotency. Counts it
/// off if `is_counted`. No event.
void erase_task(context& on, task_id id, const v1::TaskStatus& status, bool is_counted = true);

/// Cut to at most `bytes_max` bytes without splitting a UTF-8 character.
std::string_view cut_text(std::string_view text, std::size_t bytes_max);

/// The message that says a task is not there.
error no_such_task(task_id id);

}  // namespace hive::core
