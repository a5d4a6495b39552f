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

caf::result<v1::OpenBackupResponse> cluster_manager_state::on_open_backup() {
  auto answer = self->make_response_promise<v1::OpenBackupResponse>();
  if (!member) {
    copy_state(answer);
    return answer;
  }
  self->request(member, caf::infinite, v1::ReadBarrierRequest{})
      .then([this, answer](const v1::ReadBarrierResponse&) { copy_state(answer); },
            [answer](caf::error& failure) mutable { answer.deliver(std::move(failure)); });
  return answer;
}

void cluster_manager_state::copy_state(caf::typed_response_promise<v1::OpenBackupResponse> answer) {
  self->request(copies, caf::infinite, open_copy{})
      .then(
          [answer](const copy_info& made) mutable {
            v1::OpenBackupResponse response;
            response.set_backup_id(made.id);
            response.set_bytes(made.bytes);
            answer.deliver(std::move(response));
          },
          [answer](caf::error& failure) mutable { answer.deliver(std::move(failure)); });
}

caf::result<v1::ReadBackupResponse> cluster_manager_state::on_read_backup(const v1::ReadBackupRequest& request) {
  auto answer = self->make_response_promise<v1::ReadBackupResponse>();
  self->request(copies, caf::infinite, read_copy{request.backup_id(), request.offset(), request.bytes_max()})
      .then(
          [answer](copy_bytes& piece) mutable {
            v1::ReadBackupResponse response;
            response.set_data(std::move(piece.data));
            answer.deliver(std::move(response));
          },
          [answer](caf::error& failure) mutable { answer.deliver(std::move(failure)); });
  return answer;
}

caf::result<v1::CloseBackupResponse> cluster_manager_state::on_close_backup(const v1::CloseBackupRequest& request) {
  self->send(copies, drop_copy{request.backup_id()});
  return v1::CloseBackupResponse{};
}

cluster_manager_service::behavior_type cluster_manager(
    cluster_manager_service::stateful_pointer<cluster_manager_state> self, service_context_ptr context,
    replicator_actor member, copy_keeper_actor copies) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.member = std::move(member);
  state.copies = std::move(copies);
  return {
      guarded(self, [&state](const v1::ClusterStatusRequest&) { return state.on_status(); }),
      guarded(self, [&state](const v1::ChangeClusterRequest& request) { return state.on_change(request); }),
      guarded(self, [&state](const v1::ReadBarrierRequest&) { return state.on_barrier(); }),
      guarded(self, [&state](const v1::OpenBackupRequest&) { return state.on_open_backup(); }),
      guarded(self, [&state](const v1::ReadBackupRequest& request) { return state.on_read_backup(request); }),
      guarded(self, [&state](const v1::CloseBackupRequest& request) { return state.on_close_backup(request); }),
      guarded(self, [&state](const v1::PeerHelloRequest& request) { return state.on_peer_hello(request); }),
  };
}

}  // namespace hive
