#pragma once

#include <optional>
#include <string_view>

#include "core/machine_state.hpp"

/// Internal to core: what the machine asks of the plan rules.
namespace hive::core {

// Commands. A refusal leaves no trace.
v1::Outcome apply_begin_plan(context& on, const v1::BeginPlan& command);
v1::Outcome apply_append_steps(context& on, const v1::AppendSteps& command);
v1::Outcome apply_commit_plan(context& on, const v1::CommitPlan& command);
v1::Outcome apply_create_plan(context& on, const v1::CreatePlan& command);
v1::Outcome apply_control_plan(context& on, const v1::ControlPlan& command);
v1::Outcome apply_drop_plan(context& on, const v1::DropPlan& command);

/// A step (status.plan_id != 0) has reached a final state and is stored. Releases or skips its dependents and
/// ends the plan and its parent if that was the last step. May change OTHER steps: the caller must
/// hold no other step's status over this call.
void on_step_ended(context& on, task_id id, const v1::TaskStatus& status);

/// May this step run? Called with a stored step that is QUEUED (before it is leased by offer_slots, and right after
/// it was requeued) or SCHEDULED (right after a retry was scheduled). True: leave it as it is. False: it was moved
/// (parked, skipped, canceled) and stored, on_step_ended included. A paused plan's SCHEDULED step may stay.
bool admit_step(context& on, task_id id, v1::TaskStatus& status);

/// Why a queued step must not be started by a client now: its plan is paused, or ends. Changes nothing.
std::optional<error> check_step_may_start(const context& on, const v1::TaskStatus& status);

/// The parent task of a plan is to end: cancel the plan. The parent may have ended when this returns (reload its
/// status). `reason` is that of the parent: CANCELED_BY_CLIENT or TOTAL_TIMEOUT.
void cancel_plan_of_parent(context& on, plan_id plan, v1::Reason reason, std::string_view text);

/// A final plan's retention is over or a client purges it: erase it with all its steps and its parent, in chunks.
/// Called again while that is under way: does nothing.
void purge_plan(context& on, plan_id plan);

/// A client retries a failed or canceled step by hand. A refusal (the plan is final), or nullopt after the plan's
/// counts have been taken back by this step; the caller then makes it ready.
std::optional<v1::Outcome> readmit_step(context& on, task_id id, v1::TaskStatus& status);

/// True if the step's plan is still staged: clients must not see it (not_found).
bool is_staged_step(const context& on, const v1::TaskStatus& status);

/// Timers plan_deadline, plan_sweep, plan_upload (id: plan) and release (id: task). The timer's row is gone already.
void on_plan_timer(context& on, timer_kind kind, std::uint64_t id, std::string_view value);

/// Results of the direct needs, up to 256 KiB together, and the step's name.
void fill_step_inputs(context& on, task_id id, const v1::TaskStatus& status, v1::TaskAssignment& assignment);

}  // namespace hive::core
