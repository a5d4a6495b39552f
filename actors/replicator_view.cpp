// Who leads and who belongs to the cluster, and telling those who must know.
#include <algorithm>

#include "actors/front_actor.hpp"
#include "actors/member_store.hpp"
#include "actors/replicator.hpp"

namespace hive {
namespace {

constexpr std::uint64_t view_interval_ms = 250;

const char* role_name(const replication::driver_status& status, replication::node_id self) {
  const auto* own = status.members.find(self);
  if (status.role == replication::node_role::leader) return "leader";
  if (own == nullptr) return "waiting";
  if (own->role == replication::member_role::stand_by) return "stand_by";
  return status.role == replication::node_role::candidate ? "candidate" : "follower";
}

std::string endpoint_of(const replication::driver_status& status, replication::node_id id) {
  const auto* found = status.members.find(id);
  return found == nullptr ? std::string{} : found->address;
}

}  // namespace

error replicator_state::not_leader() const {
  const std::string endpoint =
      seen.leader.value == context->config.cluster.node_id ? "" : endpoint_of(seen, seen.leader);
  if (endpoint.empty()) return {errc::not_leader, "no leader is known at the moment; try again", {}};
  return {errc::not_leader, "this node does not lead the cluster, " + endpoint + " does", endpoint};
}

void replicator_state::refresh_view() {
  view_due_ms = now_ms() + view_interval_ms;
  const auto before = std::exchange(seen, driver ? driver->status() : replication::driver_status{});
  if (seen.role != before.role || seen.term != before.term || seen.leader != before.leader) {
    const std::string line = fmt::format(
        "role={} term={} leader={}", role_name(seen, {context->config.cluster.node_id}), seen.term, seen.leader.value);
    if (role_line.allows(line, std::chrono::steady_clock::now())) config::logger(name)->info(line);
    if (seen.leader != before.leader && seen.leader.is_set()) ++leader_changes;
  }
  if (driver && !seen.members.members.empty() && !trouble.empty()) {
    config::logger(name)->info("replication goes on");
    trouble.clear();
  }
  set_serving(driver && driver->is_leader() && driver->applied().term == seen.term);
  if (driver) reach_peers(seen);  // without one nothing is known, and the connections may stay
  describe(seen);
  measure(seen);
}

void replicator_state::set_serving(bool is_leader) {
  if (is_leader == is_serving) return;
  is_serving = is_leader;
  machine->forget_sessions();
  if (outlet->sinks()) effects_outlet::tell(outlet->sinks()->worker_registry, leadership_changed{is_leader});
  outlet->tell_due(is_leader ? machine->next_due_unix_ms() : -1);
}

void replicator_state::reach_peers(const replication::driver_status& status) {
  std::vector<peer_network::peer> wanted;
  const std::uint64_t own = context->config.cluster.node_id;
  for (const auto& one : status.members.members) {
    if (one.id.value != own) wanted.push_back({one.id.value, one.address, standing.lineage});
    greeters.erase(one.id.value);
  }
  for (const auto& [id, endpoint] : greeters) wanted.push_back({id, endpoint, standing.lineage});
  if (wanted == reached) return;
  reached = wanted;
  context->peers->reach(std::move(wanted));
}

void replicator_state::measure(const replication::driver_status& status) const {
  if (context->probe == nullptr) return;
  metrics::replication_figures figures;
  figures.role = role_name(status, {context->config.cluster.node_id});
  figures.term = status.term;
  figures.leader_id = status.leader.value;
  figures.leader_changes = leader_changes;
  figures.commit_index = status.commit;
  figures.applied_index = status.applied;
  figures.log_first = status.first;
  figures.log_last = status.last;
  for (const auto& one : status.peers) {
    auto& peer = figures.peers.emplace_back();
    peer.node_id = one.who.id.value;
    peer.is_linked = one.is_linked;
    if (status.role == replication::node_role::leader)
      peer.lag_entries = status.last - std::min(status.last, one.match);
  }
  figures.snapshots_offered = status.snapshots_offered;
  figures.snapshots_installed = snapshots_installed;
  figures.messages_refused = status.messages_refused;
  figures.messages_discarded = status.messages_discarded;
  context->probe->replication(std::move(figures));
}

void replicator_state::describe(const replication::driver_status& status) {
  const replication::node_id own{context->config.cluster.node_id};
  v1::Leadership leadership;
  leadership.set_is_leader(is_serving);
  leadership.set_node_id(own.value);
  // A leader that has not caught up with its own leadership is nobody's address yet.
  if (is_serving || status.leader != own) leadership.set_endpoint(endpoint_of(status, status.leader));
  v1::ClusterStatusResponse view;
  view.set_cluster(context->config.cluster.name);
  view.set_node_id(own.value);
  view.set_role(role_name(status, own));
  view.set_leader_id(status.leader.value);
  view.set_leader_endpoint(endpoint_of(status, status.leader));
  view.set_term(status.term);
  view.set_log_first(status.first);
  view.set_log_last(status.last);
  view.set_commit_index(status.commit);
  view.set_applied_index(status.applied);
  view.set_snapshot_index(status.snapshot);
  view.set_is_change_pending(status.is_change_pending);
  view.set_is_installing(status.is_installing);
  view.set_is_transferring(status.is_transferring);
  view.set_failure(trouble);
  for (const auto& one : status.members.members) {
    leadership.add_endpoints(one.address);
    auto& member = *view.add_members();
    member.set_node_id(one.id.value);
    member.set_endpoint(one.address);
    member.set_role(one.role == replication::member_role::voter ? v1::MEMBER_ROLE_VOTER : v1::MEMBER_ROLE_STAND_BY);
    member.set_is_leader(one.id == status.leader);
    member.set_is_linked(one.id == own);
    const auto told = versions.find(one.id.value);
    if (one.id == own) member.set_version(context->version);
    if (told != versions.end()) member.set_version(told->second);
    const auto peer = std::find_if(status.peers.begin(), status.peers.end(),
                                   [&](const replication::peer_status& known) { return known.who.id == one.id; });
    if (peer == status.peers.end()) continue;
    member.set_is_linked(peer->is_linked);
    const auto why = troubles.find(one.id.value);
    if (!peer->is_linked && why != troubles.end()) member.set_trouble(why->second);
    if (status.role != replication::node_role::leader) continue;
    member.set_match_index(peer->match);
    member.set_lag(status.last > peer->match ? status.last - peer->match : 0);
  }
  context->cluster->set(std::move(leadership));
  context->cluster->set(std::move(view));
}

}  // namespace hive
