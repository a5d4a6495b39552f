#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

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
  /// In a cluster behind a read barrier: the copy must hold what was acknowledged anywhere.
  caf::result<v1::OpenBackupResponse> on_open_backup();
  caf::result<v1::ReadBackupResponse> on_read_backup(const v1::ReadBackupRequest& request);
  caf::result<v1::CloseBackupResponse> on_close_backup(const v1::CloseBackupRequest& request);
  void copy_state(caf::typed_response_promise<v1::OpenBackupResponse> answer);

  pointer self = nullptr;
  service_context_ptr context;
  replicator_actor member;  // null: the node stands alone
  copy_keeper_actor copies;
};

/// `member`: null for a node that stands alone.
cluster_manager_service::behavior_type cluster_manager(
    cluster_manager_service::stateful_pointer<cluster_manager_state> self, service_context_ptr context,
    replicator_actor member, copy_keeper_actor copies);

}  // namespace hive
