#include "actors/gate_door.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>
#include <caf/io/scribe.hpp>
#include <caf/node_id.hpp>
#include <caf/replies_to.hpp>
#include <caf/send.hpp>

#include "hive/v1/replication.pb.h"

namespace hive {
namespace {

using gate::access_rules;
using gate::role;
using gate::role_set;

template <class... Messages>
void allow(access_rules& rules, const caf::strong_actor_ptr& actor, role_set who) {
  (rules.allow(actor->id(), Messages{}.GetTypeName(), who), ...);
}

template <class Signature>
struct input_of;
template <class Message, class Output>
struct input_of<caf::typed_mpi<caf::detail::type_list<Message>, Output>> {
  using type = Message;
};

template <class... Signatures>
void allow_signatures(access_rules& rules, const caf::strong_actor_ptr& actor, caf::detail::type_list<Signatures...>) {
  allow<typename input_of<Signatures>::type...>(rules, actor, role::node);
}

/// A new message of an interface is for nodes until it is listed below.
template <class Interface>
void allow_nodes(access_rules& rules, const caf::strong_actor_ptr& actor) {
  allow_signatures(rules, actor, typename Interface::signatures{});
}

void allow_clients(access_rules& rules, const caf::strong_actor_ptr& node, const node_directory& directory) {
  using namespace v1;
  constexpr role_set who = role::client | role::operator_;
  allow<HelloRequest, PingRequest, StatusRequest, CheckRequest>(rules, node, who);
  allow<CreateTasksRequest, GetTasksRequest, ListTasksRequest, UpdateTaskStatusesRequest, CancelTasksRequest,
        RetryTasksRequest, PurgeTasksRequest, GetTaskLogsRequest, ExplainTaskRequest>(rules, directory.task_manager,
                                                                                      who);
  allow<ListWorkersRequest, GetWorkerRequest, DrainWorkerRequest, DeregisterWorkerRequest>(
      rules, directory.worker_registry, who);
  allow<CreatePlanRequest, UploadPlanPartRequest, GetPlanStatusRequest, ListPlansRequest, GetNextStepRequest,
        CheckDependenciesRequest, ControlPlanRequest>(rules, directory.plan_supervisor, who);
  allow<ClusterStatusRequest, ReadBarrierRequest>(rules, directory.cluster_manager, who);
  allow<SubscribeRequest, AckEvents, UnsubscribeRequest, PublishEventsRequest, ReadEventsRequest>(
      rules, directory.event_bus, who);
}

void allow_operators(access_rules& rules, const node_directory& directory) {
  using namespace v1;
  allow<ChangeClusterRequest, OpenBackupRequest, ReadBackupRequest, CloseBackupRequest>(
      rules, directory.cluster_manager, role::operator_);
}

void allow_peers(access_rules& rules, const node_directory& directory, const caf::strong_actor_ptr& peer_receiver) {
  allow<v1::PeerHelloRequest>(rules, directory.cluster_manager, role::node);
  if (peer_receiver) allow<v1::PeerMessage>(rules, peer_receiver, role::node);
}

void allow_workers(access_rules& rules, const caf::strong_actor_ptr& node, const node_directory& directory) {
  using namespace v1;
  allow<HelloRequest, PingRequest, StatusRequest>(rules, node, role::worker);
  allow<RegisterWorkerRequest, HeartbeatRequest, DrainWorkerRequest, DeregisterWorkerRequest, GetWorkerRequest>(
      rules, directory.worker_registry, role::worker);
  allow<ReportTasksRequest>(rules, directory.dispatcher, role::worker);
  // The results of earlier steps that do not fit an assignment.
  allow<GetTasksRequest>(rules, directory.task_manager, role::worker);
}

}  // namespace

gate::basp::node_key wire_id_of(caf::actor_system& system) {
  std::vector<char> written;
  caf::binary_serializer sink{system, written};
  gate::basp::node_key key{};
  const auto failure = sink(system.node());
  if (!failure && written.size() == key.size()) std::copy(written.begin(), written.end(), key.begin());
  return key;
}

std::shared_ptr<const access_rules> make_access_rules(const node_actor& node, const node_directory& directory,
                                                      const caf::strong_actor_ptr& peer_receiver) {
  auto rules = std::make_shared<access_rules>();
  const auto front = caf::actor_cast<caf::strong_actor_ptr>(node);
  allow_nodes<node_actor>(*rules, front);
  allow_nodes<task_manager_actor>(*rules, directory.task_manager);
  allow_nodes<worker_registry_actor>(*rules, directory.worker_registry);
  allow_nodes<dispatcher_actor>(*rules, directory.dispatcher);
  allow_nodes<plan_supervisor_actor>(*rules, directory.plan_supervisor);
  allow_nodes<event_bus_actor>(*rules, directory.event_bus);
  allow_nodes<cluster_manager_actor>(*rules, directory.cluster_manager);
  allow_clients(*rules, front, directory);
  allow_operators(*rules, directory);
  allow_workers(*rules, front, directory);
  allow_peers(*rules, directory, peer_receiver);
  return rules;
}

basp_door::basp_door(caf::actor_system& system, node_actor front, std::uint16_t port)
    : system_(system),
      basp_(system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"))),
      front_(std::move(front)),
      port_(port) {}

result<void> basp_door::join(int socket) {
  auto scribe = system_.middleman().backend().new_scribe(socket);
  if (!scribe) return error{errc::internal, "BASP does not take the connection", {}};
  // BASP says hello at once, with the actor and its interface.
  caf::anon_send(basp_, caf::publish_atom::value, std::move(scribe), port_,
                 caf::actor_cast<caf::strong_actor_ptr>(front_), system_.message_types(front_));
  return {};
}

}  // namespace hive
