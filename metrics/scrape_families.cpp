#include "metrics/scrape_families.hpp"

#include <algorithm>
#include <map>

#include "metrics/names.hpp"

namespace hive::metrics {

namespace {

using label_list = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricFamily gauge_family(const names::metric& what) {
  prometheus::MetricFamily family;
  family.name = what.name;
  family.help = what.help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void add_value(prometheus::MetricFamily& family, label_list labels, std::uint64_t value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = static_cast<double>(value);
  family.metric.push_back(std::move(metric));
}

prometheus::MetricFamily single(const names::metric& what, std::uint64_t value) {
  auto family = gauge_family(what);
  add_value(family, {}, value);
  return family;
}

prometheus::MetricFamily single_counter(const names::metric& what, std::uint64_t value) {
  auto family = gauge_family(what);
  family.type = prometheus::MetricType::Counter;
  family.metric.emplace_back().counter.value = static_cast<double>(value);
  return family;
}

/// "TASK_STATE_QUEUED" -> "queued"; empty for a number outside the enum.
std::string state_label(std::string name, std::string_view prefix) {
  if (name.size() <= prefix.size()) return {};
  name.erase(0, prefix.size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter; });
  return name;
}

prometheus::MetricFamily tasks_family(const v1::StatusResponse& status,
                                      const std::function<std::string(std::string_view)>& label_of) {
  std::map<std::pair<std::string, int>, std::uint64_t> sums;
  for (const auto& counts : status.tasks()) {
    const auto type = label_of(counts.type());
    for (int state = 1; state < counts.by_state_size(); ++state) sums[{type, state}] += counts.by_state(state);
  }
  auto family = gauge_family(names::tasks);
  for (const auto& [where, count] : sums) {
    const auto state = state_label(v1::TaskState_Name(where.second), "TASK_STATE_");
    if (!state.empty()) add_value(family, {{names::label::state, state}, {names::label::type, where.first}}, count);
  }
  return family;
}

prometheus::MetricFamily plans_family(const v1::StatusResponse& status) {
  auto family = gauge_family(names::plans);
  for (int state = 1; state < status.plans_by_state_size(); ++state) {
    const auto name = state_label(v1::PlanState_Name(state), "PLAN_STATE_");
    if (!name.empty()) add_value(family, {{names::label::state, name}}, status.plans_by_state(state));
  }
  return family;
}

}  // namespace

std::vector<prometheus::MetricFamily> to_families(const node_probe::snapshot& seen,
                                                  const std::function<std::string(std::string_view)>& label_of) {
  const auto& status = seen.status;
  std::vector<prometheus::MetricFamily> families;
  families.push_back(tasks_family(status, label_of));
  families.push_back(plans_family(status));

  auto workers = gauge_family(names::workers);
  add_value(workers, {{names::label::state, "active"}}, status.workers_active());
  add_value(workers, {{names::label::state, "draining"}}, status.workers_draining());
  add_value(workers, {{names::label::state, "lost"}}, status.workers_lost());
  families.push_back(std::move(workers));

  // More may be used than there are while a worker's slots shrink.
  const auto used = status.slots_used();
  auto slots = gauge_family(names::slots);
  add_value(slots, {{names::label::state, "used"}}, used);
  add_value(slots, {{names::label::state, "free"}}, status.slots_total() > used ? status.slots_total() - used : 0);
  families.push_back(std::move(slots));

  const auto first = status.event_seq_first();
  const auto last = status.event_seq_last();
  families.push_back(single(names::event_first, first));
  families.push_back(single(names::event_last, last));
  families.push_back(single(names::event_length, first == 0 || last < first ? 0 : last - first + 1));

  families.push_back(single(names::storage_map, seen.storage.map_bytes));
  families.push_back(single(names::storage_used, seen.storage.used_bytes));
  families.push_back(single(names::storage_file, seen.storage.file_bytes));
  families.push_back(single(names::storage_free, seen.storage.free_pages));
  // A family without a metric would be an empty block in the text.
  std::erase_if(families, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  return families;
}

std::vector<prometheus::MetricFamily> to_families(const replication_figures& figures) {
  auto roles = gauge_family(names::replication_role);
  for (const char* const role : names::cluster_roles)
    add_value(roles, {{names::label::role, role}}, figures.role == role ? 1 : 0);
  auto linked = gauge_family(names::peer_linked);
  auto lags = gauge_family(names::peer_lag);
  for (const auto& peer : figures.peers) {
    const std::string id = std::to_string(peer.node_id);
    add_value(linked, {{names::label::peer, id}}, peer.is_linked ? 1 : 0);
    if (peer.lag_entries) add_value(lags, {{names::label::peer, id}}, *peer.lag_entries);
  }
  const std::uint64_t kept = figures.log_last < figures.log_first ? 0 : figures.log_last - figures.log_first + 1;
  std::vector<prometheus::MetricFamily> families{
      std::move(roles),
      single(names::replication_term, figures.term),
      single(names::replication_leader, figures.leader_id),
      single_counter(names::leader_changes, figures.leader_changes),
      single(names::commit_index, figures.commit_index),
      single(names::applied_index, figures.applied_index),
      single(names::log_first, figures.log_first),
      single(names::log_last, figures.log_last),
      single(names::log_entries, kept),
      std::move(linked),
      std::move(lags),
      single_counter(names::snapshots_offered, figures.snapshots_offered),
      single_counter(names::snapshots_installed, figures.snapshots_installed),
      single_counter(names::messages_refused, figures.messages_refused),
      single_counter(names::messages_discarded, figures.messages_discarded),
  };
  std::erase_if(families, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  return families;
}

}  // namespace hive::metrics
