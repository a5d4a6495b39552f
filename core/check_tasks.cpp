#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

#include "core/check_run.hpp"

namespace hive::core::views {
namespace {

std::int64_t due_after(std::int64_t from, std::int64_t delay_ms) {
  if (delay_ms <= 0) return from;
  return from > std::numeric_limits<std::int64_t>::max() - delay_ms ? std::numeric_limits<std::int64_t>::max()
                                                                    : from + delay_ms;
}

bool is_held_state(v1::TaskState state) { return state == v1::TASK_STATE_LEASED || state == v1::TASK_STATE_RUNNING; }

template <class Left, class Right>
bool is_same_list(const Left& left, const Right& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

bool is_same_labels(const google::protobuf::RepeatedPtrField<v1::Label>& left,
                    const google::protobuf::RepeatedPtrField<v1::Label>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const v1::Label& one, const v1::Label& other) {
                      return one.key() == other.key() && one.value() == other.value();
                    });
}

bool is_reason_of(v1::TaskState state, v1::Reason reason) {
  switch (state) {
    case v1::TASK_STATE_SCHEDULED:
      return reason == v1::REASON_NOT_BEFORE || reason == v1::REASON_RETRY_BACKOFF ||
             reason == v1::REASON_LEASE_RETURNED;
    case v1::TASK_STATE_BLOCKED:
      return reason == v1::REASON_DEPENDENCIES || reason == v1::REASON_PLAN_PAUSED;
    case v1::TASK_STATE_LEASED:
      return reason == v1::REASON_ASSIGNED || reason == v1::REASON_CANCEL_REQUESTED;
    case v1::TASK_STATE_RUNNING:
      return reason == v1::REASON_EXECUTING || reason == v1::REASON_DRIVEN_BY_CLIENT || reason == v1::REASON_PLAN ||
             reason == v1::REASON_CANCEL_REQUESTED;
    case v1::TASK_STATE_QUEUED:
      return reason != v1::REASON_UNSPECIFIED;
    default:
      return true;
  }
}

// One task, with all that was read of it.
struct task_subject {
  check_run& run;
  std::uint64_t id;
  const v1::TaskStatus& status;
  const v1::TaskSpec& spec;
  std::string name;

  void expect(bool holds, const char* what) const { run.expect(holds, name, what); }
};

void check_index(const task_subject& on) {
  const auto state = on.status.state();
  if (state == v1::TASK_STATE_QUEUED) {
    const key row = key{}.u32(on.status.signature_id()).inverted_priority(on.status.priority()).u64(on.id);
    on.expect(on.run.has(table::ready, row), "is queued, but missing in the ready index");
    const key ready_counter = key{}.bytes("r").u32(on.status.signature_id());
    ++on.run.counted[std::string{ready_counter.view()}];
  } else if (is_held_state(state)) {
    const key row = key{}.u64(on.status.worker_id()).u64(on.id);
    on.expect(on.run.has(table::lease, row), "is held, but missing among the leases of its worker");
  } else {
    const key row = key{}.u8(static_cast<std::uint8_t>(state)).u64(on.id);
    on.expect(on.run.has(table::task_by_state, row), "is missing in the index of its state");
  }
}

void check_spec(const task_subject& on) {
  on.expect(on.spec.priority() == on.status.priority(), "priorities of spec and status differ");
  on.expect(on.spec.plan_id() == on.status.plan_id() && on.spec.step_index() == on.status.step_index(),
            "plan or step index of spec and status differ");
  const auto signature = read_signature(on.run.tables, on.status.signature_id());
  on.expect(signature.has_value(), "its signature does not exist");
  if (!signature) return;
  on.expect(signature->type() == on.spec.type() &&
                is_same_list(signature->required_capabilities(), on.spec.required_capabilities()) &&
                is_same_labels(signature->worker_selector(), on.spec.worker_selector()),
            "its signature is not what its spec asks for");
  if (on.run.staged_plans.count(on.status.plan_id()) != 0) return;
  ++on.run.counted["t" + std::string(1, static_cast<char>(on.status.state())) + signature->type()];
}

void check_holder(const task_subject& on) {
  const auto worker_id = on.status.worker_id();
  const bool is_parent = on.status.is_plan_parent();
  if (!is_held_state(on.status.state())) {
    on.expect(!on.status.cancel_requested(), "is asked to stop, but nobody holds it");
    on.expect(worker_id == 0 || is_final_state(on.status.state()), "waits, but names a worker");
    return;
  }
  on.expect(on.status.attempt() > 0 || is_parent, "is held without an attempt");
  on.expect(on.status.state() != v1::TASK_STATE_LEASED || worker_id != 0, "is leased to nobody");
  on.expect(on.status.cancel_requested() == (on.status.reason() == v1::REASON_CANCEL_REQUESTED),
            "the request to stop and the reason contradict each other");
  if (worker_id == 0) {
    on.expect(!on.status.cancel_requested(), "is driven by hand and waits for a worker to stop it");
    return;
  }
  const auto worker = read_worker(on.run.tables, worker_id);
  on.expect(worker && (worker->state() == v1::WORKER_STATE_ACTIVE || worker->state() == v1::WORKER_STATE_DRAINING),
            "is held by a worker that is unknown, lost or gone");
}

void check_times(const task_subject& on) {
  const auto& status = on.status;
  const auto state = status.state();
  const auto& timeouts = on.spec.timeouts();
  const bool has_due = state == v1::TASK_STATE_SCHEDULED || status.cancel_requested();
  on.expect(has_due == (status.due_unix_ms() != 0), "the due time and the state contradict each other");
  if (state == v1::TASK_STATE_SCHEDULED) {
    on.expect(on.run.has_timer(status.due_unix_ms(), timer_kind::ready, on.id), "is scheduled without a timer");
  }
  if (status.cancel_requested()) {
    on.expect(on.run.has_timer(status.due_unix_ms(), timer_kind::cancel_grace, on.id),
              "is asked to stop without a timer for the grace period");
  }
  if (state == v1::TASK_STATE_QUEUED && timeouts.queue_ms() > 0) {
    on.expect(
        on.run.has_timer(due_after(status.queued_unix_ms(), timeouts.queue_ms()), timer_kind::queue_timeout, on.id),
        "is queued without the timer of its queue timeout");
  }
  if (is_held_state(state) && status.worker_id() != 0 && timeouts.run_ms() > 0 && !status.cancel_requested()) {
    on.expect(on.run.has_timer(due_after(status.leased_unix_ms(), timeouts.run_ms()), timer_kind::run_timeout, on.id),
              "is held without the timer of its run timeout");
  }
  if (!is_final_state(state) && timeouts.total_ms() > 0 && on.run.staged_plans.count(status.plan_id()) == 0 &&
      !status.cancel_requested()) {
    const auto due = due_after(status.created_unix_ms(), timeouts.total_ms());
    // A task that was retried by hand after that time has no limit any more.
    on.expect(due <= on.run.applied_time || on.run.timers.count({timer_kind::total_timeout, on.id}) != 0,
              "has not ended and lacks the timer of its total timeout");
  }
  if (!is_final_state(state)) {
    on.expect(status.finished_unix_ms() == 0, "has not ended, but says when it did");
    return;
  }
  on.expect(status.finished_unix_ms() >= status.created_unix_ms(), "ended before it was created");
  if (status.plan_id() == 0) {
    const auto plan = status.is_plan_parent() ? read_plan_status(on.run.tables, on.id) : std::nullopt;
    const bool is_purged_now = plan && plan->sweep() == v1::PlanStatus::SWEEP_PURGE;
    on.expect(is_purged_now || on.run.timers.count({timer_kind::retention, on.id}) != 0,
              "is final without a timer for its purge");
  }
}

void check_one(const task_subject& on) {
  const auto state = on.status.state();
  if (state < v1::TASK_STATE_SCHEDULED || state > v1::TASK_STATE_SKIPPED) {
    on.run.violate(on.name + ": its state is unknown");
    return;
  }
  on.expect(is_reason_of(state, on.status.reason()), "its reason does not belong to its state");
  check_index(on);
  check_spec(on);
  check_holder(on);
  check_times(on);
  on.expect(on.status.has_result() == on.run.has(table::task_result, key{}.u64(on.id)),
            "the status and table task_result contradict each other");
  on.expect(on.status.log_bytes() == 0 || on.run.has(table::task_log, key{}.u64(on.id).u64(0)),
            "has log bytes, but no first chunk");
  const bool is_keyed = !on.spec.idempotency_key().empty() && on.status.plan_id() == 0;
  const auto keyed = is_keyed ? on.run.tables.get(table::idempotency, key{}.bytes("t").bytes(on.spec.idempotency_key()))
                              : std::nullopt;
  on.expect(!is_keyed || (keyed && read_u64(*keyed, 0) == on.id), "its idempotency key does not lead to it");
}

std::string task_name(std::uint64_t id) { return to_string(task_id{id}); }

// Rows of an index whose tasks say otherwise.
void check_index_rows(check_run& run, table where, std::size_t id_offset,
                      const std::function<bool(std::string_view, const v1::TaskStatus&)>& belongs) {
  run.tables.scan(where, "", [&](std::string_view at, std::string_view) {
    const auto id = read_u64(at, id_offset);
    const auto status = read_status(run.tables, id);
    if (!status || !belongs(at, *status)) {
      run.violate(check_run::row_name(where, at) + ": " + task_name(id) +
                  (status ? " is " + name_of(status->state()) + " and does not belong there" : " does not exist"));
    }
    return !run.is_full();
  });
}

void check_logs(check_run& run) {
  std::uint64_t task = 0;
  std::uint64_t expected = 0;
  const auto finish = [&] {
    if (task == 0) return;
    const auto status = read_status(run.tables, task);
    if (!status) {
      run.violate("log of " + task_name(task) + ": there is no such task");
    } else if (status->log_bytes() != expected) {
      run.violate("log of " + task_name(task) + ": has " + std::to_string(expected) + " bytes, the status says " +
                  std::to_string(status->log_bytes()));
    }
  };
  run.for_each<v1::TaskLogChunk>(table::task_log, [&](std::string_view at, const v1::TaskLogChunk& chunk) {
    const auto id = read_u64(at, 0);
    if (id != task) {
      finish();
      task = id;
      expected = 0;
    }
    if (read_u64(at, 8) != expected || chunk.offset() != expected) {
      run.violate("log of " + task_name(id) + ": a chunk is missing at byte " + std::to_string(expected));
    }
    expected = read_u64(at, 8) + chunk.data().size();
  });
  finish();
}

}  // namespace

void check_tasks(check_run& run) {
  run.for_each<v1::TaskStatus>(table::task_status, [&](std::string_view at, const v1::TaskStatus& status) {
    const auto id = read_u64(at, 0);
    run.response.set_tasks(run.response.tasks() + 1);
    const auto spec = read_spec(run.tables, id);
    if (!spec) {
      run.violate(task_name(id) + ": has a status, but no spec");
      return;
    }
    check_one({run, id, status, *spec, task_name(id)});
  });
}

void check_task_rows(check_run& run) {
  const auto status_of = [&](std::string_view at) { return read_status(run.tables, read_u64(at, 0)); };
  run.tables.scan(table::task_spec, "", [&](std::string_view at, std::string_view) {
    run.expect(run.has(table::task_status, at), task_name(read_u64(at, 0)), "has a spec, but no status");
    return !run.is_full();
  });
  run.for_each<v1::TaskResult>(table::task_result, [&](std::string_view at, const v1::TaskResult&) {
    const auto status = status_of(at);
    run.expect(status && status->has_result(), task_name(read_u64(at, 0)), "has a result that its status denies");
  });
  check_index_rows(run, table::ready, 8, [](std::string_view at, const v1::TaskStatus& status) {
    const key expected = key{}.u32(status.signature_id()).inverted_priority(status.priority()).u64(read_u64(at, 8));
    return status.state() == v1::TASK_STATE_QUEUED && expected.view() == at;
  });
  check_index_rows(run, table::lease, 8, [](std::string_view at, const v1::TaskStatus& status) {
    return is_held_state(status.state()) && status.worker_id() == read_u64(at, 0);
  });
  check_index_rows(run, table::task_by_state, 1, [](std::string_view at, const v1::TaskStatus& status) {
    return static_cast<unsigned char>(at[0]) == status.state() && status.state() != v1::TASK_STATE_QUEUED &&
           !is_held_state(status.state());
  });
  check_logs(run);
  run.tables.scan(table::idempotency, "", [&](std::string_view at, std::string_view value) {
    const auto id = read_u64(value, 0);
    const bool is_task = !at.empty() && at[0] == 't';
    const auto spec = is_task ? read_spec(run.tables, id) : std::nullopt;
    const bool holds =
        is_task ? spec && spec->idempotency_key() == at.substr(1) : run.has(table::plan_status, key{}.u64(id));
    run.expect(holds, "idempotency key '" + std::string{at.substr(at.empty() ? 0 : 1)} + "'",
               "does not lead to what it created");
    return !run.is_full();
  });
}

}  // namespace hive::core::views
