#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Answers operators: how the cluster is, changes of its members, barriers for reads, backups.
struct cluster_manager_state {
  static inline const char* const name = "cluster_manager";
  using pointer = cluster_manager_service::stateful_pointer<cluster_manager_state>;

  caf::result<v1::ClusterStatusResponse> on_status() const;
  caf::result<v1::ChangeClusterResponse> on_change(const v1::ChangeClusterRequest& request);
  caf::result<v1::ReadBarrierResponse> on_barrier();
  caf::result<v1::PeerHelloResponse, caf::strong_actor_ptr> on_peer_hello(const v1::PeerHelloRequest& request);

  pointer self = nullptr;
  service_context_ptr context;
  replicator_actor member;  // null: the node stands alone
};

/// `member`: null for a node that stands alone.
cluster_manager_service::behavior_type cluster_manager(
    cluster_manager_service::stateful_pointer<cluster_manager_state> self, service_context_ptr context,
    replicator_actor member);

}  // namespace hive
