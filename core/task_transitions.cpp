#include <cassert>

#include "core/backoff.hpp"
#include "core/machine_state.hpp"
#include "core/plan_rules.hpp"

namespace hive::core {
namespace {

std::string_view event_name(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STATE_COMPLETED:
      return "task.completed";
    case v1::TASK_STATE_FAILED:
      return "task.failed";
    case v1::TASK_STATE_SKIPPED:
      return "task.skipped";
    default:
      return "task.canceled";
  }
}

void revoke(context& on, task_id id, const v1::TaskStatus& status, v1::Reason reason) {
  if (status.worker_id() == 0) return;
  on.out.revocations.push_back({worker_id{status.worker_id()}, id, attempt{status.attempt()}, reason});
}

std::int64_t run_time(const context& on, const v1::TaskStatus& status) {
  return status.started_unix_ms() == 0 ? 0 : on.now - status.started_unix_ms();
}

void count_ready(context& on, std::uint32_t signature, std::int64_t delta) {
  on.state.counters.add(*on.state.signatures.at(signature).ready, delta);
  on.state.ready_count += static_cast<std::uint64_t>(delta);
}

key ready_key(task_id id, const v1::TaskStatus& status) {
  return key{}.u32(status.signature_id()).inverted_priority(status.priority()).u64(id.value);
}

}  // namespace

void put_index(context& on, task_id id, const v1::TaskStatus& status) {
  if (status.state() == v1::TASK_STATE_QUEUED) {
    on.tables.put(table::ready, ready_key(id, status), {});
    count_ready(on, status.signature_id(), 1);
  } else if (is_held(status.state())) {
    on.tables.put(table::lease, key{}.u64(status.worker_id()).u64(id.value), {});
  } else {
    on.tables.put(table::task_by_state, key{}.u8(static_cast<std::uint8_t>(status.state())).u64(id.value), {});
  }
}

void erase_index(context& on, task_id id, const v1::TaskStatus& status) {
  bool is_there = true;
  if (status.state() == v1::TASK_STATE_QUEUED) {
    is_there = on.tables.erase(table::ready, ready_key(id, status));
    count_ready(on, status.signature_id(), -1);
  } else if (is_held(status.state())) {
    is_there = on.tables.erase(table::lease, key{}.u64(status.worker_id()).u64(id.value));
  } else {
    is_there = on.tables.erase(table::task_by_state, key{}.u8(static_cast<std::uint8_t>(status.state())).u64(id.value));
  }
  if (!is_there) throw table_error(errc::data_loss, to_string(id) + " is missing in the index of its state");
}

void transition(context& on, task_id id, v1::TaskStatus& status, v1::TaskState to, v1::Reason reason,
                std::string_view text) {
  const v1::TaskState from = status.state();
  if (!is_allowed(from, to)) {
    throw table_error(errc::internal, to_string(id) + ": " + forbidden_transition(from, to).message);
  }
  const bool keeps_lease = is_held(from) && is_held(to);  // leased -> running: its row stays as it is
  if (from != v1::TASK_STATE_UNSPECIFIED) {
    if (!keeps_lease) erase_index(on, id, status);
    count_task(on, status, -1);
  }
  if (is_held(from) && !is_held(to) && status.worker_id() != 0) {
    on.out.freed_slots.push_back(worker_id{status.worker_id()});
  }
  if (!is_held(to) && !is_final(to)) status.set_worker_id(0);
  status.set_state(to);
  status.set_reason(reason);
  text = cut_text(text, on.state.limits.reason_text_bytes_max);
  status.set_reason_text(text.data(), text.size());
  status.set_due_unix_ms(0);
  if (!keeps_lease) put_index(on, id, status);
  count_task(on, status, 1);
}

void enter_ready(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text,
                 const v1::TaskSpec* spec) {
  status.set_progress_ppm(0);
  status.clear_progress_message();
  status.set_cancel_requested(false);
  status.set_cancel_reason(v1::REASON_UNSPECIFIED);
  status.set_finished_unix_ms(0);
  if (status.not_before_unix_ms() > on.now) {
    transition(on, id, status, v1::TASK_STATE_SCHEDULED, v1::REASON_NOT_BEFORE, text);
    status.set_due_unix_ms(status.not_before_unix_ms());
    arm_timer(on, status.due_unix_ms(), timer_kind::ready, id.value);
    return;
  }
  transition(on, id, status, v1::TASK_STATE_QUEUED, reason, text);
  status.set_queued_unix_ms(on.now);
  if (!status.has_timeouts()) return;
  const std::int64_t queue_ms =
      spec != nullptr ? spec->timeouts().queue_ms() : require_spec(on, id).timeouts().queue_ms();
  if (queue_ms > 0) arm_timer(on, due_after(on.now, queue_ms), timer_kind::queue_timeout, id.value);
}

void make_ready(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text,
                const v1::TaskSpec* spec) {
  enter_ready(on, id, status, reason, text, spec);
  if (status.state() == v1::TASK_STATE_QUEUED)
    emit_task(on, "task.queued", id, status, {.message = status.reason_text()});
  store_status(on, id, status);
}

void end_task(context& on, task_id id, v1::TaskStatus& status, const ending& how) {
  const bool was_held = is_held(status.state());
  if (how.is_revoked && was_held) revoke(on, id, status, how.reason);
  transition(on, id, status, how.state, how.reason, how.text);
  status.set_finished_unix_ms(on.now);
  status.set_cancel_requested(false);
  status.set_cancel_reason(v1::REASON_UNSPECIFIED);
  if (how.reason != v1::REASON_POISON) status.set_workers_lost(0);
  if (how.state == v1::TASK_STATE_COMPLETED) status.set_progress_ppm(1'000'000);
  emit_task(on, event_name(how.state), id, status,
            {.message = status.reason_text(),
             .wait_ms = was_held ? run_time(on, status) : 0,
             .total_ms = on.now - status.created_unix_ms()});
  if (status.plan_id() == 0) {
    arm_timer(on, due_after(on.now, on.state.limits.retention_ms), timer_kind::retention, id.value);
  }
  store_status(on, id, status);
}

void finish_task(context& on, task_id id, v1::TaskStatus& status, const ending& how) {
  end_task(on, id, status, how);
  if (status.plan_id() != 0) on_step_ended(on, id, status);
}

void take_lease(context& on, task_id id, v1::TaskStatus& status, worker_id worker, v1::TaskState to,
                v1::Reason reason) {
  assert(status.state() == v1::TASK_STATE_QUEUED && is_held(to));
  erase_index(on, id, status);
  count_task(on, status, -1);
  status.set_state(to);
  status.set_reason(reason);
  status.clear_reason_text();
  status.set_worker_id(worker.value);
  status.set_attempt(status.attempt() + 1);
  status.set_leased_unix_ms(on.now);
  status.set_started_unix_ms(to == v1::TASK_STATE_RUNNING ? on.now : 0);
  put_index(on, id, status);
  count_task(on, status, 1);
  store_status(on, id, status);
}

void requeue_task(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text) {
  make_ready(on, id, status, reason, text);
  if (status.plan_id() != 0) admit_step(on, id, status);
}

void return_task(context& on, task_id id, v1::TaskStatus& status, std::string_view text) {
  const std::int64_t run_ms = run_time(on, status);
  transition(on, id, status, v1::TASK_STATE_SCHEDULED, v1::REASON_LEASE_RETURNED, text);
  status.set_workers_lost(0);
  status.set_due_unix_ms(due_after(on.now, on.state.limits.return_backoff_ms));
  arm_timer(on, status.due_unix_ms(), timer_kind::ready, id.value);
  emit_task(on, "task.returned", id, status,
            {.message = status.reason_text(), .due_unix_ms = status.due_unix_ms(), .wait_ms = run_ms});
  store_status(on, id, status);
  if (status.plan_id() != 0) admit_step(on, id, status);
}

void fail_attempt(context& on, task_id id, v1::TaskStatus& status, const attempt_failure& how) {
  status.set_failures(status.failures() + 1);
  if (status.cancel_requested()) {
    finish_task(on, id, status, {v1::TASK_STATE_CANCELED, status.cancel_reason(), how.text, how.is_revoked});
    return;
  }
  if (how.is_retryable) {
    const v1::TaskSpec spec = require_spec(on, id);
    if (status.failures() < attempts_of(spec.retry(), on.state.limits)) {
      if (how.is_revoked) revoke(on, id, status, how.reason);
      const std::int64_t run_ms = run_time(on, status);
      transition(on, id, status, v1::TASK_STATE_SCHEDULED, v1::REASON_RETRY_BACKOFF, how.text);
      status.set_workers_lost(0);
      status.set_due_unix_ms(
          due_after(on.now, backoff_ms(spec.retry(), on.state.limits, status.failures(), id, status.attempt())));
      arm_timer(on, status.due_unix_ms(), timer_kind::ready, id.value);
      emit_task(on, "task.retry_scheduled", id, status,
                {.message = status.reason_text(), .due_unix_ms = status.due_unix_ms(), .wait_ms = run_ms});
      store_status(on, id, status);
      if (status.plan_id() != 0) admit_step(on, id, status);
      return;
    }
  }
  finish_task(on, id, status, {v1::TASK_STATE_FAILED, how.reason, how.text, how.is_revoked});
}

void request_cancel(context& on, task_id id, v1::TaskStatus& status, v1::Reason reason, std::string_view text,
                    std::int64_t grace_ms) {
  if (status.cancel_requested()) return;
  if (status.worker_id() == 0) {
    finish_task(on, id, status, {v1::TASK_STATE_CANCELED, reason, text});
    return;
  }
  status.set_cancel_requested(true);
  status.set_cancel_reason(reason);
  status.set_reason(v1::REASON_CANCEL_REQUESTED);
  text = cut_text(text, on.state.limits.reason_text_bytes_max);
  status.set_reason_text(text.data(), text.size());
  status.set_due_unix_ms(due_after(on.now, grace_ms > 0 ? grace_ms : on.state.limits.cancel_grace_ms));
  arm_timer(on, status.due_unix_ms(), timer_kind::cancel_grace, id.value);
  revoke(on, id, status, v1::REASON_CANCEL_REQUESTED);
  emit_task(on, "task.cancel_requested", id, status,
            {.message = status.reason_text(), .due_unix_ms = status.due_unix_ms()});
  store_status(on, id, status);
}

void erase_task(context& on, task_id id, const v1::TaskStatus& status, bool is_counted) {
  const key row = key{}.u64(id.value);
  erase_index(on, id, status);
  if (is_counted) count_task(on, status, -1);
  if (status.plan_id() == 0) {  // a step's key is never registered
    const v1::TaskSpec spec = require_spec(on, id);
    if (!spec.idempotency_key().empty()) {
      on.tables.erase(table::idempotency, key{}.bytes("t").bytes(spec.idempotency_key()));
    }
  }
  if (status.has_result()) on.tables.erase(table::task_result, row);
  if (status.log_bytes() != 0) {
    std::vector<std::uint64_t> offsets;
    on.tables.scan(table::task_log, row, [&](std::string_view at, std::string_view) {
      if (read_u64(at, 0) != id.value) return false;
      offsets.push_back(read_u64(at, 8));
      return true;
    });
    for (const std::uint64_t offset : offsets) on.tables.erase(table::task_log, key{}.u64(id.value).u64(offset));
  }
  on.tables.erase(table::task_spec, row);
  on.tables.erase(table::task_status, row);
}

}  // namespace hive::core
