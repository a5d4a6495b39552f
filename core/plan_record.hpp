#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "core/machine_state.hpp"

/// Internal to core: what the plan rules (core/plan_*.cpp) share among themselves.
///
/// Every entry point loads one plan_record, changes it through these verbs and stores it once. In
/// between, nothing may be called that loads and stores the same plan by itself: finish_task and
/// on_step_ended are out, end_step takes their place.
namespace hive::core {

struct plan_record {
  plan_id id;
  v1::PlanSpec spec;
  v1::PlanStatus status;
};

/// nullopt if there is none; table_error data_loss if one of its rows is missing or damaged.
std::optional<plan_record> load_plan(const context& on, plan_id id);
/// Writes the status row; the spec never changes once the plan is visible.
void store_plan(context& on, const plan_record& plan);

constexpr bool is_final(v1::PlanState state) {
  return state == v1::PLAN_STATE_COMPLETED || state == v1::PLAN_STATE_FAILED || state == v1::PLAN_STATE_CANCELED;
}
/// Steps that become ready go on (or are parked) in these states only.
constexpr bool is_releasing(v1::PlanState state) {
  return state == v1::PLAN_STATE_RUNNING || state == v1::PLAN_STATE_PAUSED;
}
/// "running", for messages.
std::string to_string(v1::PlanState state);
/// True for plans that clients may not see: staged, or on their way out.
bool is_hidden(const plan_record& plan);
error no_such_plan(plan_id id);

// Keys of the plan's tables.
inline key plan_key(plan_id plan) { return key{}.u64(plan.value); }
inline key step_key(plan_id plan, std::uint32_t index) { return key{}.u64(plan.value).u32(index); }
inline key step_name_key(plan_id plan, std::string_view name) { return key{}.u64(plan.value).bytes(name); }
inline key edge_key(plan_id plan, std::uint32_t from, std::uint32_t to) {
  return key{}.u64(plan.value).u32(from).u32(to);
}
inline key plan_idempotency_key(std::string_view name) { return key{}.bytes("p").bytes(name); }

/// Step i of a plan is the task first_step_task_id + i.
inline task_id step_task(const plan_record& plan, std::uint32_t index) {
  return task_id{plan.spec.first_step_task_id() + index};
}
/// data_loss if it is not there.
v1::TaskStatus require_step(const context& on, task_id id);
v1::PlanStep require_plan_step(const context& on, plan_id plan, std::uint32_t index);

/// ok, with the plan's id, first step and size.
v1::Outcome accept_plan(const plan_record& plan, bool is_replay = false);
/// Moves the plan's counters and sets the state. A staged plan is not counted.
void set_plan_state(context& on, plan_record& plan, v1::PlanState to);
void emit_plan(context& on, std::string_view name, const plan_record& plan, std::string_view message = {});

// ---- steps ----------------------------------------------------------------------------------

/// A step that has ended, as its dependents see it.
struct ended_step {
  std::uint32_t index = 0;
  bool is_completed = false;
  std::int64_t path_ms = 0;          // longest chain of run times up to its end
  std::uint32_t next_dependent = 0;  // dependents below this have been released
};
ended_step ended_from(const v1::TaskStatus& status);

/// Counts a step that is final now, or was final and is not any more.
void count_final_step(plan_record& plan, v1::TaskState state, bool is_revived);
/// Ends a step of this plan: end_task, counts, parked row. Does not look at dependents.
void end_step(context& on, plan_record& plan, std::uint32_t index, v1::TaskStatus& status, const ending& how);
/// A blocked step has no unmet need: queued, scheduled by its not_before, or parked while the plan is paused.
void make_step_ready(context& on, plan_record& plan, std::uint32_t index, v1::TaskStatus& status);
/// Tells the dependents of these steps, and of those skipped on the way; at most limits.release_steps_max
/// rows, the rest by timers of kind release.
void release_dependents(context& on, plan_record& plan, std::deque<ended_step> ended);

// ---- plan -----------------------------------------------------------------------------------

/// fail_fast: nothing new starts. Runs the first chunk of the sweep.
void begin_failing(context& on, plan_record& plan, v1::Reason reason, std::string_view text);
/// Steps that wait end canceled, held ones are asked to stop. Runs the first chunk of the sweep.
void begin_canceling(context& on, plan_record& plan, v1::Reason reason, std::string_view text);
/// Starts a walk over the steps in place of the one under way and does its first chunk.
void start_sweep(context& on, plan_record& plan, v1::PlanStatus::Sweep sweep);
/// One chunk of the sweep under way (limits.sweep_steps_max), which may lead to the next sweep; the
/// rest by a timer of kind plan_sweep. Not for DROP and PURGE.
void run_sweep(context& on, plan_record& plan);
/// Ends the plan and its parent if every step is final and nothing is under way.
void settle(context& on, plan_record& plan);
/// One chunk of DROP or PURGE. Stores the plan, or erases it with the last row.
void run_erasure(context& on, plan_record& plan);
/// The plan starts, for the first time or again: its deadline counts from now.
void arm_deadline(context& on, plan_record& plan);
/// A staged plan goes: its upload timer first, then its rows in chunks.
void drop_staged(context& on, plan_record& plan);

/// The plan's parent: present, no step, not held by a worker, no plan of its own, not final; else why not.
std::optional<error> check_parent(const context& on, task_id parent);
/// [stores] The parent runs as long as its plan.
void adopt_parent(context& on, task_id parent, v1::TaskStatus& status);

}  // namespace hive::core
