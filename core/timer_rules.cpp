#include <algorithm>

#include "core/plan_rules.hpp"
#include "core/rules.hpp"

namespace hive::core {
namespace {

constexpr std::uint32_t timers_max = 10'000;

struct due_timer {
  std::string row;
  std::string value;
};

std::vector<due_timer> collect_due(const context& on, std::uint32_t count_max) {
  std::vector<due_timer> due;
  on.tables.scan(table::timer, {}, [&](std::string_view row, std::string_view value) {
    if (read_u64(row, 0) > static_cast<std::uint64_t>(on.now)) return false;
    due.push_back({std::string{row}, std::string{value}});
    return due.size() < count_max;
  });
  return due;
}

// The task's timeouts, or none if it has no such timer for now; read from the spec, so only when a timer fires.
bool is_over(const context& on, task_id id, std::int64_t since, std::int64_t (v1::Timeouts::*length)() const) {
  const std::int64_t length_ms = (require_spec(on, id).timeouts().*length)();
  return length_ms > 0 && due_after(since, length_ms) <= on.now;
}

void on_queue_timeout(context& on, task_id id, v1::TaskStatus& status) {
  if (status.state() != v1::TASK_STATE_QUEUED) return;
  if (!is_over(on, id, status.queued_unix_ms(), &v1::Timeouts::queue_ms)) return;
  finish_task(on, id, status,
              {v1::TASK_STATE_FAILED, v1::REASON_QUEUE_TIMEOUT, "no worker took it within timeouts.queue_ms"});
}

void on_run_timeout(context& on, task_id id, v1::TaskStatus& status) {
  if (!is_held(status.state()) || status.is_plan_parent()) return;
  if (!is_over(on, id, status.leased_unix_ms(), &v1::Timeouts::run_ms)) return;
  fail_attempt(on, id, status,
               {v1::REASON_RUN_TIMEOUT, "the attempt ran longer than timeouts.run_ms", /*is_retryable=*/true,
                /*is_revoked=*/true});
}

void on_total_timeout(context& on, task_id id, v1::TaskStatus& status) {
  if (is_final(status.state())) return;
  if (!is_over(on, id, status.created_unix_ms(), &v1::Timeouts::total_ms)) return;
  constexpr std::string_view text = "it was not done within timeouts.total_ms";
  if (status.is_plan_parent()) {
    cancel_plan_of_parent(on, id, v1::REASON_TOTAL_TIMEOUT, text);
    return;
  }
  finish_task(on, id, status, {v1::TASK_STATE_FAILED, v1::REASON_TOTAL_TIMEOUT, text, /*is_revoked=*/true});
}

void on_cancel_grace(context& on, task_id id, v1::TaskStatus& status) {
  if (!status.cancel_requested() || status.due_unix_ms() > on.now) return;
  // The worker has been told already; once more does no harm, and may be the first it hears of it.
  finish_task(on, id, status,
              {v1::TASK_STATE_CANCELED, status.cancel_reason(), "its worker did not confirm in time",
               /*is_revoked=*/true});
}

void on_retention(context& on, task_id id, v1::TaskStatus& status) {
  if (!is_final(status.state()) || status.plan_id() != 0) return;
  if (due_after(status.finished_unix_ms(), on.state.limits.retention_ms) > on.now) return;
  if (status.is_plan_parent()) {
    purge_plan(on, id);
  } else {
    purge_single_task(on, id, status);
  }
}

void on_task_timer(context& on, timer_kind kind, task_id id) {
  auto status = load_status(on, id);
  if (!status) return;  // purged meanwhile
  switch (kind) {
    case timer_kind::ready:
      if (status->state() == v1::TASK_STATE_SCHEDULED && status->due_unix_ms() <= on.now) {
        make_ready(on, id, *status, v1::REASON_WAITS_FOR_WORKER);
      }
      return;
    case timer_kind::queue_timeout:
      return on_queue_timeout(on, id, *status);
    case timer_kind::run_timeout:
      return on_run_timeout(on, id, *status);
    case timer_kind::total_timeout:
      return on_total_timeout(on, id, *status);
    case timer_kind::cancel_grace:
      return on_cancel_grace(on, id, *status);
    default:
      return on_retention(on, id, *status);
  }
}

void fire(context& on, const due_timer& timer) {
  const auto kind = static_cast<timer_kind>(read_number(timer.row, 8, 1));
  const std::uint64_t id = read_u64(timer.row, 9);
  switch (kind) {
    case timer_kind::ready:
    case timer_kind::queue_timeout:
    case timer_kind::run_timeout:
    case timer_kind::total_timeout:
    case timer_kind::cancel_grace:
    case timer_kind::retention:
      return on_task_timer(on, kind, task_id{id});
    case timer_kind::plan_deadline:
    case timer_kind::plan_sweep:
    case timer_kind::plan_upload:
    case timer_kind::release:
      return on_plan_timer(on, kind, id, timer.value);
    case timer_kind::event_retention:
      return on_event_retention(on, id != 0);
    case timer_kind::worker_retention:
      return on_worker_retention(on, worker_id{id});
  }
  throw table_error(errc::data_loss, "a timer has an unknown kind");
}

}  // namespace

v1::Outcome apply_tick(context& on, const v1::Tick& command) {
  if (command.limit() == 0) return refuse(errc::invalid_argument, "must be at least 1", "limit");
  // Collected first: what they arm for now waits for the next tick, so that one tick stays bounded.
  const auto due = collect_due(on, std::min(command.limit(), timers_max));
  for (const due_timer& timer : due) on.tables.erase(table::timer, timer.row);
  for (const due_timer& timer : due) fire(on, timer);
  v1::Outcome outcome;
  outcome.set_count(static_cast<std::uint32_t>(due.size()));
  return outcome;
}

}  // namespace hive::core
