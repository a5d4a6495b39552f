#include "tests/apps/hivectl/fake_member.hpp"

#include <stdexcept>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/message_types.hpp"

namespace hive::test {
namespace {

using script_ptr = std::shared_ptr<member_script>;

caf::behavior make_manager(caf::event_based_actor*, const script_ptr& script) {
  return {
      [script](const v1::ClusterStatusRequest&) {
        const std::lock_guard lock(script->mutex);
        if (script->on_status) script->on_status();
        return script->status;
      },
      [script](const v1::ChangeClusterRequest& request) -> caf::result<v1::ChangeClusterResponse> {
        const std::lock_guard lock(script->mutex);
        script->changes.push_back(request);
        auto done = script->on_change ? script->on_change(request) : v1::ChangeClusterResponse{};
        if (!done) return make_error(done.failure());
        return *done;
      },
  };
}

node_actor::behavior_type make_node(node_actor::pointer, const caf::actor& manager, const script_ptr& script) {
  const auto leadership = [script] {
    const std::lock_guard lock(script->mutex);
    v1::Leadership told;
    told.set_is_leader(script->status.role() == "leader");
    told.set_endpoint(script->status.leader_endpoint());
    told.set_node_id(script->status.node_id());
    return told;
  };
  return {
      [manager, leadership](const v1::HelloRequest&) -> caf::result<v1::HelloResponse, node_directory> {
        v1::HelloResponse response;
        response.set_protocol_version(protocol_version);
        *response.mutable_leadership() = leadership();
        auto pointer = caf::actor_cast<caf::strong_actor_ptr>(manager);
        return {response, node_directory{pointer, pointer, pointer, pointer, pointer, pointer}};
      },
      [leadership](const v1::PingRequest&) {
        v1::PingResponse response;
        *response.mutable_leadership() = leadership();
        return response;
      },
      [](const v1::StatusRequest&) { return v1::StatusResponse{}; },
      [](const v1::CheckRequest&) { return v1::CheckResponse{}; },
  };
}

}  // namespace

fake_member::fake_member() : script_(std::make_shared<member_script>()), system_(config_) {
  harden(system_);
  manager_ = system_.spawn(make_manager, script_);
  node_ = system_.spawn(make_node, manager_, script_);
  auto port = system_.middleman().publish(node_, 0, "127.0.0.1");
  if (!port) throw std::runtime_error("cannot publish");
  port_ = *port;
}

fake_member::~fake_member() {
  system_.middleman().unpublish(node_, port_);
  caf::anon_send_exit(manager_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(node_, caf::exit_reason::user_shutdown);
}

}  // namespace hive::test
