// What a certificate's role reaches, against the interfaces of the front actors.
#include "actors/gate_door.hpp"

#include <vector>

#include <caf/replies_to.hpp>

#include "tests/actors/fixture.hpp"

using namespace hive;
using namespace hive::test;
using gate::access_rules;
using gate::role;
using verdict = gate::access_rules::verdict;

namespace {

template <class Signature>
struct input_of;
template <class Message, class Output>
struct input_of<caf::typed_mpi<caf::detail::type_list<Message>, Output>> {
  using type = Message;
};

template <class... Signatures>
std::vector<std::string> names_of(caf::detail::type_list<Signatures...>) {
  return {typename input_of<Signatures>::type{}.GetTypeName()...};
}

struct front_rules {
  caf::strong_actor_ptr actor;
  std::vector<std::string> messages;
};

template <class Interface>
front_rules front_of(const caf::strong_actor_ptr& actor) {
  return {actor, names_of(typename Interface::signatures{})};
}

}  // namespace

TEST_CASE("a node's certificate reaches every message of the front actors, the others what they need") {
  node_fixture node;
  node.start();
  const auto& directory = node.runtime->directory();
  const auto front = caf::actor_cast<caf::strong_actor_ptr>(node.runtime->front());
  const auto rules = make_access_rules(node.runtime->front(), directory);
  for (const auto& one :
       {front_of<node_actor>(front), front_of<task_manager_actor>(directory.task_manager),
        front_of<worker_registry_actor>(directory.worker_registry), front_of<dispatcher_actor>(directory.dispatcher),
        front_of<plan_supervisor_actor>(directory.plan_supervisor), front_of<event_bus_actor>(directory.event_bus)}) {
    for (const auto& message : one.messages) {
      INFO(message);
      CHECK(rules->check(one.actor->id(), message, role::node) == verdict::allowed);
      // A message that only nodes may send does not belong on a front actor of clients without a word here.
      CHECK(rules->check(one.actor->id(), message, role::client | role::worker) == verdict::allowed);
      CHECK(rules->check(one.actor->id(), message, gate::role_set{}) == verdict::wrong_role);
    }
  }
}

TEST_CASE("clients cannot act as workers, nor workers as clients") {
  node_fixture node;
  node.start();
  const auto& directory = node.runtime->directory();
  const auto rules = make_access_rules(node.runtime->front(), directory);
  const auto check = [&](const caf::strong_actor_ptr& actor, const char* message, role who) {
    return rules->check(actor->id(), message, who);
  };
  CHECK(check(directory.dispatcher, "hive.v1.ReportTasksRequest", role::client) == verdict::wrong_role);
  CHECK(check(directory.worker_registry, "hive.v1.RegisterWorkerRequest", role::client) == verdict::wrong_role);
  CHECK(check(directory.worker_registry, "hive.v1.HeartbeatRequest", role::client) == verdict::wrong_role);
  CHECK(check(directory.task_manager, "hive.v1.CreateTasksRequest", role::worker) == verdict::wrong_role);
  CHECK(check(directory.task_manager, "hive.v1.GetTasksRequest", role::worker) == verdict::allowed);
  CHECK(check(directory.event_bus, "hive.v1.SubscribeRequest", role::worker) == verdict::wrong_role);
  CHECK(check(directory.plan_supervisor, "hive.v1.ControlPlanRequest", role::worker) == verdict::wrong_role);
}

TEST_CASE("operators change the cluster and make backups, clients only look") {
  node_fixture node;
  node.start();
  const auto& directory = node.runtime->directory();
  const auto rules = make_access_rules(node.runtime->front(), directory);
  const auto check = [&](const char* message, gate::role_set who) {
    return rules->check(directory.cluster_manager->id(), message, who);
  };
  for (const auto* message : {"hive.v1.ChangeClusterRequest", "hive.v1.OpenBackupRequest", "hive.v1.ReadBackupRequest",
                              "hive.v1.CloseBackupRequest"}) {
    INFO(message);
    CHECK(check(message, role::operator_) == verdict::allowed);
    CHECK(check(message, role::client | role::worker) == verdict::wrong_role);
  }
  for (const auto* message : {"hive.v1.ClusterStatusRequest", "hive.v1.ReadBarrierRequest"}) {
    INFO(message);
    CHECK(check(message, role::operator_) == verdict::allowed);
    CHECK(check(message, role::client) == verdict::allowed);
    CHECK(check(message, role::worker) == verdict::wrong_role);
  }
  // Whatever a client may do an operator may.
  CHECK(rules->check(directory.task_manager->id(), "hive.v1.CreateTasksRequest", role::operator_) == verdict::allowed);
  CHECK(rules->check(directory.dispatcher->id(), "hive.v1.ReportTasksRequest", role::operator_) == verdict::wrong_role);
}

TEST_CASE("only nodes speak as peers, and only to the actor that takes it") {
  node_fixture node;
  node.start();
  const auto& directory = node.runtime->directory();
  const auto receiver = caf::actor_cast<caf::strong_actor_ptr>(node.runtime->writer());
  const auto others = role::client | role::worker | role::operator_;
  const auto manager = directory.cluster_manager->id();
  const auto alone = make_access_rules(node.runtime->front(), directory);
  CHECK(alone->check(manager, "hive.v1.PeerHelloRequest", role::node) == verdict::allowed);
  CHECK(alone->check(manager, "hive.v1.PeerHelloRequest", others) == verdict::wrong_role);
  CHECK(alone->check(receiver->id(), "hive.v1.PeerMessage", role::node) == verdict::unknown_receiver);
  const auto member = make_access_rules(node.runtime->front(), directory, receiver);
  CHECK(member->check(receiver->id(), "hive.v1.PeerMessage", role::node) == verdict::allowed);
  CHECK(member->check(receiver->id(), "hive.v1.PeerMessage", others) == verdict::wrong_role);
  CHECK(member->check(receiver->id(), "hive.v1.PeerHelloRequest", role::node) == verdict::unknown_message);
}

TEST_CASE("actors that are not published cannot be reached, whatever the certificate") {
  node_fixture node;
  node.start();
  const auto rules = make_access_rules(node.runtime->front(), node.runtime->directory());
  const auto ledger = caf::actor_cast<caf::strong_actor_ptr>(node.runtime->writer());
  CHECK(rules->check(ledger->id(), "hive.v1.PingRequest", role::node) == verdict::unknown_receiver);
}

TEST_CASE("the id of this process is what the gate compares with") {
  system_config settings;  // with the network, which gives it its id
  caf::actor_system system(settings);
  const auto id = wire_id_of(system);
  CHECK(gate::basp::read_64(id.data()) == gate::basp::default_node_kind);
  CHECK(id == wire_id_of(system));
}
