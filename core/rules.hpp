#pragma once

#include "core/machine_state.hpp"

/// Internal to core: one function a command. Each checks everything before its first write.
namespace hive::core {

// core/task_rules.cpp
v1::Outcome apply_create_task(context& on, const v1::CreateTask& command);
v1::Outcome apply_update_task_status(context& on, const v1::UpdateTaskStatus& command);
v1::Outcome apply_cancel_task(context& on, const v1::CancelTask& command);
v1::Outcome apply_retry_task(context& on, const v1::RetryTask& command);
v1::Outcome apply_purge_task(context& on, const v1::PurgeTask& command);

// core/report_rules.cpp
v1::Outcome apply_report(context& on, worker_id worker, const v1::TaskReport& report);

// core/worker_rules.cpp
v1::Outcome apply_register_worker(context& on, const v1::RegisterWorker& command);
v1::Outcome apply_drain_worker(context& on, const v1::DrainWorker& command);
v1::Outcome apply_end_worker(context& on, const v1::EndWorker& command);

/// Timer worker_retention: a worker that has been lost or gone for limits.retention_ms is forgotten; its name is free.
void on_worker_retention(context& on, worker_id id);

/// Which signatures a worker fits, anew.
void match_signatures(const machine_state& state, worker_entry& worker);

// core/dispatch_rules.cpp
v1::Outcome apply_offer_slots(context& on, const v1::OfferSlots& command);

// core/event_rules.cpp
v1::Outcome apply_publish_event(context& on, const v1::PublishEvent& command);
/// Purges events that are too old or too many, at most limits.purge_batch_max. `is_extra`: armed because there are too
/// many, beside the hourly timer.
void on_event_retention(context& on, bool is_extra);

// core/timer_rules.cpp
v1::Outcome apply_tick(context& on, const v1::Tick& command);

// core/limit_rules.cpp
v1::Outcome apply_set_limits(context& on, const v1::SetLimits& command);
/// What SetLimits has stored; none if that is not all that this version knows. Throws data_loss if a row makes no
/// sense.
std::optional<core_limits> load_limits(const table_reader& tables);

/// The status of a task that clients may see: not of a step of a staged plan.
std::optional<v1::TaskStatus> load_visible_status(const context& on, task_id id);
/// Leased -> running, with its event; keeps a requested cancel. Does not store.
void start_task(context& on, task_id id, v1::TaskStatus& status);
/// Stores what this attempt left as the task's result; if it left none, drops what an earlier one left. Does not store
/// the status.
void put_result(context& on, task_id id, v1::TaskStatus& status, const std::string& payload,
                const std::string& content_type);
/// Arms the run timeout of a fresh lease. Returns its due time, 0 for none.
std::int64_t arm_run_timeout(context& on, task_id id, const v1::TaskStatus& status, const v1::TaskSpec& spec);
/// task.purged, then all its rows go. Not for steps and plan parents.
void purge_single_task(context& on, task_id id, const v1::TaskStatus& status);

}  // namespace hive::core
