#include <algorithm>
#include <map>

#include "core/queries.hpp"
#include "core/record_reader.hpp"

namespace hive::core {

using namespace views;

namespace {

void count_leases(const table_reader& tables, v1::Worker& worker) {
  std::uint32_t count = 0;
  tables.scan(table::lease, key{}.u64(worker.id()), [&](std::string_view entry, std::string_view) {
    if (read_u64(entry, 0) != worker.id()) return false;
    ++count;
    return true;
  });
  worker.set_slots_used(std::min(count, worker.spec().slots()));
  worker.set_tasks_ahead(count - worker.slots_used());
}

}  // namespace

result<v1::Worker> get_worker(const table_reader& tables, worker_id id) {
  auto worker = read_worker(tables, id.value);
  if (!worker) return error{errc::not_found, to_string(id) + " does not exist", "worker_id"};
  count_leases(tables, *worker);
  return *std::move(worker);
}

result<v1::Worker> get_worker_by_name(const table_reader& tables, std::string_view name) {
  constexpr std::size_t shown_max = 128;
  const auto id = name.empty() || name.size() > key::bytes_max ? std::nullopt : tables.get(table::worker_name, name);
  if (!id) {
    return error{errc::not_found, "there is no worker named '" + std::string{name.substr(0, shown_max)} + "'", "name"};
  }
  return get_worker(tables, worker_id{read_u64(*id, 0)});
}

result<v1::ListWorkersResponse> list_workers(const table_reader& tables, const v1::ListWorkersRequest& request) {
  const auto limit = checked_limit(request.limit(), 100, 1000);
  if (!limit) return limit.failure();
  v1::ListWorkersResponse response;
  if (request.after_id() == ~std::uint64_t{0}) return response;
  std::uint64_t last = 0;
  bool has_more = false;
  tables.scan(table::worker, key{}.u64(request.after_id() + 1), [&](std::string_view entry, std::string_view value) {
    v1::Worker worker;
    if (!worker.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      throw table_error(errc::data_loss, "table worker: a record cannot be parsed");
    }
    if (request.active_only() && worker.state() != v1::WORKER_STATE_ACTIVE) return true;
    if (response.workers_size() == static_cast<int>(*limit)) {
      has_more = true;
      return false;
    }
    last = read_u64(entry, 0);
    *response.add_workers() = std::move(worker);
    return true;
  });
  for (auto& worker : *response.mutable_workers()) count_leases(tables, worker);
  if (has_more) response.set_next_after_id(last);
  return response;
}

bool is_match(const v1::Signature& signature, const v1::WorkerSpec& worker) {
  const auto& types = worker.task_types();
  if (!types.empty() && std::find(types.begin(), types.end(), signature.type()) == types.end()) return false;
  for (const auto& capability : signature.required_capabilities()) {
    const auto& offered = worker.capabilities();
    if (std::find(offered.begin(), offered.end(), capability) == offered.end()) return false;
  }
  for (const auto& wanted : signature.worker_selector()) {
    const auto& labels = worker.labels();
    const bool is_there = std::any_of(labels.begin(), labels.end(), [&](const v1::Label& label) {
      return label.key() == wanted.key() && label.value() == wanted.value();
    });
    if (!is_there) return false;
  }
  return true;
}

v1::StatusResponse summarize(const table_reader& tables) {
  v1::StatusResponse response;
  std::map<std::string, v1::TypeCounts, std::less<>> by_type;
  response.mutable_plans_by_state()->Resize(v1::PlanState_ARRAYSIZE, 0);
  tables.scan(table::counter, "", [&](std::string_view name, std::string_view value) {
    if (name.size() < 2) return true;
    const auto count = static_cast<std::int64_t>(read_u64(value, 0));
    const auto positive = count < 0 ? 0U : static_cast<std::uint64_t>(count);
    const auto state = static_cast<unsigned char>(name[1]);
    if (name[0] == 't' && v1::TaskState_IsValid(state)) {
      auto& counts = by_type[std::string{name.substr(2)}];
      if (counts.by_state_size() == 0) counts.mutable_by_state()->Resize(v1::TaskState_ARRAYSIZE, 0);
      counts.set_by_state(state, positive);
    } else if (name[0] == 'p' && v1::PlanState_IsValid(state)) {
      response.set_plans_by_state(state, positive);
    } else if (name[0] == 'w') {
      if (state == v1::WORKER_STATE_ACTIVE) response.set_workers_active(static_cast<std::uint32_t>(positive));
      if (state == v1::WORKER_STATE_DRAINING) response.set_workers_draining(static_cast<std::uint32_t>(positive));
      if (state == v1::WORKER_STATE_LOST) response.set_workers_lost(static_cast<std::uint32_t>(positive));
    }
    return true;
  });
  for (auto& [type, counts] : by_type) {
    counts.set_type(type);
    *response.add_tasks() = std::move(counts);
  }
  tables.scan(table::event, "", [&](std::string_view seq, std::string_view) {
    response.set_event_seq_first(read_u64(seq, 0));
    return false;
  });
  tables.scan_back(table::event, "", [&](std::string_view seq, std::string_view) {
    response.set_event_seq_last(read_u64(seq, 0));
    return false;
  });
  return response;
}

}  // namespace hive::core
