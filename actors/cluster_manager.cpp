#include "actors/cluster_manager.hpp"

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"

namespace hive {
namespace {

error stands_alone() {
  return {errc::failed_precondition, "this node stands alone: set cluster.name and cluster.node_id and start it anew",
          "cluster.name"};
}

}  // namespace

caf::result<v1::ClusterStatusResponse> cluster_manager_state::on_status() const {
  if (context->cluster) return context->cluster->status();
  v1::ClusterStatusResponse alone;
  alone.set_role("standalone");
  return alone;
}

caf::result<v1::ChangeClusterResponse> cluster_manager_state::on_change(const v1::ChangeClusterRequest& request) {
  if (!member) return refuse(*context, name, stands_alone());
  self->delegate(member, request);
  return caf::delegated<v1::ChangeClusterResponse>{};
}

caf::result<v1::ReadBarrierResponse> cluster_manager_state::on_barrier() {
  if (!member) return v1::ReadBarrierResponse{};
  self->delegate(member, v1::ReadBarrierRequest{});
  return caf::delegated<v1::ReadBarrierResponse>{};
}

caf::result<v1::PeerHelloResponse, caf::strong_actor_ptr> cluster_manager_state::on_peer_hello(
    const v1::PeerHelloRequest& request) {
  if (!member) return refuse(*context, name, stands_alone());
  self->delegate(member, request);
  return caf::delegated<v1::PeerHelloResponse, caf::strong_actor_ptr>{};
}

cluster_manager_service::behavior_type cluster_manager(
    cluster_manager_service::stateful_pointer<cluster_manager_state> self, service_context_ptr context,
    replicator_actor member) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.member = std::move(member);
  const auto unsupported = [] { return make_error({errc::failed_precondition, "backups are not available", {}}); };
  return {
      guarded(self, [&state](const v1::ClusterStatusRequest&) { return state.on_status(); }),
      guarded(self, [&state](const v1::ChangeClusterRequest& request) { return state.on_change(request); }),
      guarded(self, [&state](const v1::ReadBarrierRequest&) { return state.on_barrier(); }),
      guarded(
          self,
          [unsupported](const v1::OpenBackupRequest&) -> caf::result<v1::OpenBackupResponse> { return unsupported(); }),
      guarded(
          self,
          [unsupported](const v1::ReadBackupRequest&) -> caf::result<v1::ReadBackupResponse> { return unsupported(); }),
      guarded(self,
              [unsupported](const v1::CloseBackupRequest&) -> caf::result<v1::CloseBackupResponse> {
                return unsupported();
              }),
      guarded(self, [&state](const v1::PeerHelloRequest& request) { return state.on_peer_hello(request); }),
  };
}

}  // namespace hive
