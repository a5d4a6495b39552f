#include <algorithm>

#include "core/rules.hpp"

namespace hive::core {
namespace {

constexpr std::uint32_t role_bytes_max = 64;
constexpr std::uint32_t labels_max = 64;
constexpr int types_max = 1000;

error invalid(std::string message, std::string field) {
  return {errc::invalid_argument, std::move(message), std::move(field)};
}

std::optional<error> check_names(const google::protobuf::RepeatedPtrField<std::string>& names,
                                 const core_limits& limits, std::uint32_t count_max, const std::string& field) {
  if (static_cast<std::uint32_t>(names.size()) > count_max) {
    return invalid("has more than " + std::to_string(count_max) + " entries", field);
  }
  for (int i = 0; i < names.size(); ++i) {
    if (!names[i].empty() && names[i].size() <= limits.name_bytes_max) continue;
    return invalid("must be 1 to " + std::to_string(limits.name_bytes_max) + " bytes",
                   field + "[" + std::to_string(i) + "]");
  }
  return std::nullopt;
}

std::optional<error> check_worker(const v1::RegisterWorker& command, const core_limits& limits) {
  const v1::WorkerSpec& spec = command.spec();
  if (spec.name().empty() || spec.name().size() > limits.name_bytes_max) {
    return invalid("must be 1 to " + std::to_string(limits.name_bytes_max) + " bytes", "spec.name");
  }
  if (spec.role().size() > role_bytes_max) {
    return invalid("is longer than " + std::to_string(role_bytes_max) + " bytes", "spec.role");
  }
  if (spec.slots() > limits.slots_max) {
    return invalid("is more than " + std::to_string(limits.slots_max), "spec.slots");
  }
  if (static_cast<std::uint32_t>(command.running_size()) > limits.slots_max) {
    return invalid("has more than " + std::to_string(limits.slots_max) + " entries", "running");
  }
  if (static_cast<std::uint32_t>(spec.labels_size()) > labels_max) {
    return invalid("has more than " + std::to_string(labels_max) + " entries", "spec.labels");
  }
  for (int i = 0; i < spec.labels_size(); ++i) {
    const v1::Label& label = spec.labels(i);
    const bool is_good = !label.key().empty() && label.key().size() <= limits.name_bytes_max &&
                         label.value().size() <= limits.label_value_bytes_max;
    if (!is_good) return invalid("is empty or too long", "spec.labels[" + std::to_string(i) + "]");
  }
  if (auto failure = check_names(spec.capabilities(), limits, limits.worker_capabilities_max, "spec.capabilities")) {
    return failure;
  }
  return check_names(spec.task_types(), limits, types_max, "spec.task_types");
}

std::optional<v1::Worker> load_worker(const context& on, worker_id id) {
  const auto live = on.state.workers.find(id.value);
  if (live != on.state.workers.end()) return live->second.record;
  std::optional<v1::Worker> record{std::in_place};
  if (!read_message(on.tables, table::worker, key{}.u64(id.value), *record)) record.reset();
  return record;
}

std::optional<v1::Worker> find_worker(const context& on, const std::string& name) {
  const auto id = on.tables.get(table::worker_name, name);
  if (!id) return std::nullopt;
  auto record = load_worker(on, worker_id{read_u64(*id, 0)});
  if (!record) throw table_error(errc::data_loss, "a worker's name points to no worker");
  return record;
}

bool is_live(v1::WorkerState state) { return state == v1::WORKER_STATE_ACTIVE || state == v1::WORKER_STATE_DRAINING; }

std::vector<task_id> leases_of(const context& on, worker_id worker) {
  std::vector<task_id> leases;
  on.tables.scan(table::lease, key{}.u64(worker.value), [&](std::string_view at, std::string_view) {
    if (read_u64(at, 0) != worker.value) return false;
    leases.push_back(task_id{read_u64(at, 8)});
    return true;
  });
  return leases;
}

/// The worker was lost while it held this task: again, or poison.
void lose_task(context& on, task_id id, v1::TaskStatus& status) {
  if (status.cancel_requested()) {
    finish_task(on, id, status, {v1::TASK_STATE_CANCELED, status.cancel_reason(), "its worker was lost"});
    return;
  }
  status.set_workers_lost(status.workers_lost() + 1);
  const std::uint32_t lost_max = on.state.limits.poison_workers_lost;
  if (lost_max != 0 && status.workers_lost() >= lost_max) {
    finish_task(on, id, status,
                {v1::TASK_STATE_FAILED, v1::REASON_POISON,
                 "lost " + std::to_string(status.workers_lost()) + " workers in a row"});
    return;
  }
  requeue_task(on, id, status, v1::REASON_WORKER_LOST);
}

/// Takes a lease away from a worker that is gone. False if it has gone with the end of another one.
bool take_away(context& on, worker_id worker, task_id id, bool is_lost) {
  auto status = load_status(on, id);
  if (!status || !is_held(status->state()) || status->worker_id() != worker.value) return false;
  if (is_lost) {
    lose_task(on, id, *status);
  } else if (status->cancel_requested()) {
    finish_task(on, id, *status, {v1::TASK_STATE_CANCELED, status->cancel_reason(), "its worker gave it up"});
  } else {
    requeue_task(on, id, *status, v1::REASON_LEASE_RETURNED);
  }
  return true;
}

void emit_worker(context& on, std::string_view name, const v1::Worker& record, std::uint32_t tasks_requeued) {
  v1::Event event;
  v1::WorkerEvent& worker = *event.mutable_worker();
  worker.set_name(name.data(), name.size());
  worker.set_worker_id(record.id());
  worker.set_worker_name(record.spec().name());
  worker.set_state(record.state());
  worker.set_tasks_requeued(tasks_requeued);
  emit(on, std::move(event));
}

void store_worker(context& on, const v1::Worker& record) {
  put_message(on, table::worker, key{}.u64(record.id()), record);
  if (!is_live(record.state())) {
    on.state.workers.erase(record.id());
    return;
  }
  worker_entry& entry = on.state.workers[record.id()];
  entry.record = record;
  match_signatures(on.state, entry);
}

v1::Outcome refuse_worker(worker_id id) {
  return refuse(errc::not_found, "there is no worker " + to_string(id), "worker_id");
}

}  // namespace

void match_signatures(const machine_state& state, worker_entry& worker) {
  worker.signatures.clear();
  for (std::uint32_t id = 1; id <= state.signatures.size(); ++id) {
    if (fits(state.signatures.at(id).record, worker.record.spec())) worker.signatures.push_back(id);
  }
}

v1::Outcome apply_register_worker(context& on, const v1::RegisterWorker& command) {
  if (const auto failure = check_worker(command, on.state.limits)) return refuse(*failure);
  auto known = find_worker(on, command.spec().name());
  if (!known && on.tables.size(table::worker) >= on.state.limits.workers_max) {
    return refuse(errc::resource_exhausted,
                  "there are " + std::to_string(on.state.limits.workers_max) + " workers on record already");
  }
  const bool is_same_process = known && known->spec().incarnation() == command.spec().incarnation();
  v1::Worker record;
  record.set_state(v1::WORKER_STATE_ACTIVE);
  if (known) {
    record.set_id(known->id());
    record.set_session(known->session());
    // A drained worker that only lost its connection stays drained.
    if (is_same_process && is_live(known->state())) record.set_state(known->state());
    count_worker(on, known->state(), -1);
  } else {
    record.set_id(make_id(on.state.shard, on.state.meta.next_worker++));
    on.tables.put(table::worker_name, command.spec().name(), key{}.u64(record.id()));
  }
  *record.mutable_spec() = command.spec();
  record.set_session(record.session() + 1);
  record.set_registered_unix_ms(on.now);
  count_worker(on, record.state(), 1);
  store_worker(on, record);

  v1::Outcome outcome;
  const worker_id id{record.id()};
  std::map<std::uint64_t, std::uint32_t> running;
  for (const auto& task : command.running()) running.insert_or_assign(task.task_id(), task.attempt());
  for (const task_id task : leases_of(on, id)) {
    const auto status = load_status(on, task);
    const auto claim = running.find(task.value);
    if (is_same_process && status && claim != running.end() && claim->second == status->attempt()) {
      auto& kept = *outcome.add_kept();
      kept.set_task_id(task.value);
      kept.set_attempt(status->attempt());
    } else if (take_away(on, id, task, !is_same_process)) {
      outcome.set_count(outcome.count() + 1);
    }
  }
  emit_worker(on, "worker.registered", record, outcome.count());
  outcome.set_id(id.value);
  *outcome.mutable_worker() = std::move(record);
  return outcome;
}

v1::Outcome apply_drain_worker(context& on, const v1::DrainWorker& command) {
  const worker_id id{command.worker_id()};
  auto record = load_worker(on, id);
  if (!record) return refuse_worker(id);
  if (!is_live(record->state())) {
    return refuse(errc::failed_precondition, to_string(id) + " (" + record->spec().name() + ") is not registered now");
  }
  v1::Outcome outcome;
  outcome.set_id(id.value);
  const v1::WorkerState wanted = command.undrain() ? v1::WORKER_STATE_ACTIVE : v1::WORKER_STATE_DRAINING;
  if (record->state() == wanted) {
    outcome.set_is_replay(true);
  } else {
    count_worker(on, record->state(), -1);
    record->set_state(wanted);
    count_worker(on, wanted, 1);
    store_worker(on, *record);
    emit_worker(on, command.undrain() ? "worker.undrained" : "worker.draining", *record, 0);
  }
  *outcome.mutable_worker() = std::move(*record);
  return outcome;
}

v1::Outcome apply_end_worker(context& on, const v1::EndWorker& command) {
  const worker_id id{command.worker_id()};
  auto record = load_worker(on, id);
  if (!record) return refuse_worker(id);
  if (command.session() != 0 && command.session() != record->session()) {
    return refuse(errc::failed_precondition,
                  to_string(id) + " is in session " + std::to_string(record->session()) + ", not " +
                      std::to_string(command.session()),
                  "session");
  }
  v1::Outcome outcome;
  outcome.set_id(id.value);
  if (!is_live(record->state())) {
    outcome.set_is_replay(true);
    *outcome.mutable_worker() = std::move(*record);
    return outcome;
  }
  count_worker(on, record->state(), -1);
  record->set_state(command.is_lost() ? v1::WORKER_STATE_LOST : v1::WORKER_STATE_GONE);
  record->set_ended_unix_ms(on.now);
  count_worker(on, record->state(), 1);
  store_worker(on, *record);
  arm_timer(on, due_after(on.now, on.state.limits.retention_ms), timer_kind::worker_retention, id.value);
  for (const task_id task : leases_of(on, id)) {
    if (take_away(on, id, task, command.is_lost())) outcome.set_count(outcome.count() + 1);
  }
  emit_worker(on, command.is_lost() ? "worker.lost" : "worker.deregistered", *record, outcome.count());
  *outcome.mutable_worker() = std::move(*record);
  return outcome;
}

void on_worker_retention(context& on, worker_id id) {
  const auto record = load_worker(on, id);
  if (!record || is_live(record->state())) return;  // it came back
  // It came back and ended again: a later timer is armed for that.
  if (due_after(record->ended_unix_ms(), on.state.limits.retention_ms) > on.now) return;
  count_worker(on, record->state(), -1);
  on.tables.erase(table::worker_name, record->spec().name());
  on.tables.erase(table::worker, key{}.u64(id.value));
  emit_worker(on, "worker.purged", *record, 0);
}

}  // namespace hive::core
