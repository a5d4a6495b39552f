#include "tests/cluster/fake_peer.hpp"

#include <stdexcept>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/message_types.hpp"

namespace hive::test {
namespace {

using script_ptr = std::shared_ptr<peer_script>;

/// The cluster_manager and the replicator in one.
caf::behavior make_receiver(caf::event_based_actor* self, const script_ptr& script) {
  return {
      [self, script](const v1::PeerHelloRequest& hello) -> caf::result<v1::PeerHelloResponse, caf::strong_actor_ptr> {
        const std::lock_guard lock(script->mutex);
        script->hellos.push_back(hello);
        script->changed.notify_all();
        if (script->hellos_to_refuse > 0) {
          --script->hellos_to_refuse;
          return make_error(script->refusal);
        }
        if (script->hellos_to_swallow > 0) {
          --script->hellos_to_swallow;
          return self->make_response_promise<v1::PeerHelloResponse, caf::strong_actor_ptr>();
        }
        v1::PeerHelloResponse answer;
        answer.set_session(++script->sessions);
        return {answer, caf::actor_cast<caf::strong_actor_ptr>(self)};
      },
      [script](const v1::PeerMessage& message) {
        const std::lock_guard lock(script->mutex);
        script->messages.push_back(message);
        script->changed.notify_all();
      },
  };
}

node_actor::behavior_type make_node(node_actor::pointer, const caf::actor& receiver) {
  return {
      [receiver](const v1::HelloRequest&) -> caf::result<v1::HelloResponse, node_directory> {
        v1::HelloResponse response;
        response.set_protocol_version(protocol_version);
        // A link to a peer stays with it, whoever leads.
        response.mutable_leadership()->set_node_id(2);
        response.mutable_leadership()->set_endpoint("127.0.0.1:1");
        auto pointer = caf::actor_cast<caf::strong_actor_ptr>(receiver);
        return {response, node_directory{pointer, pointer, pointer, pointer, pointer, pointer}};
      },
      [](const v1::PingRequest&) { return v1::PingResponse{}; },
      [](const v1::StatusRequest&) { return v1::StatusResponse{}; },
      [](const v1::CheckRequest&) { return v1::CheckResponse{}; },
  };
}

}  // namespace

fake_peer::fake_peer(const std::optional<gate::tls_files>& files)
    : script_(std::make_shared<peer_script>()), system_(config_) {
  harden(system_);
  receiver_ = system_.spawn(make_receiver, script_);
  node_ = system_.spawn(make_node, receiver_);
  if (files) {
    const auto pointer = caf::actor_cast<caf::strong_actor_ptr>(receiver_);
    door_ = std::make_unique<basp_door>(system_, node_, std::uint16_t{7117});
    gate::acceptor_options options;
    options.listen = {"127.0.0.1", 0};
    options.files = *files;
    options.rules = make_access_rules(node_, {pointer, pointer, pointer, pointer, pointer, pointer}, pointer);
    options.own_id = wire_id_of(system_);
    options.join = [this](int socket) { return door_->join(socket); };
    auto started = gate::acceptor::start(std::move(options));
    if (!started) throw std::runtime_error(started.failure().message);
    gate_ = std::move(*started);
    port_ = gate_->port();
  } else {
    auto port = system_.middleman().publish(node_, 0, "127.0.0.1");
    if (!port) throw std::runtime_error("cannot publish");
    port_ = *port;
  }
  relay_ = std::make_unique<tcp_relay>(port_);
}

fake_peer::~fake_peer() {
  relay_.reset();
  gate_.reset();
  if (!door_) system_.middleman().unpublish(node_, port_);
  caf::anon_send_exit(receiver_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(node_, caf::exit_reason::user_shutdown);
}

told_events::told_events() : system_(config_) {
  actor_ = system_.spawn([events = store_](caf::event_based_actor*) -> caf::behavior {
    const auto keep = [events](event one) {
      const std::lock_guard lock(events->mutex);
      events->events.push_back(one);
      events->changed.notify_all();
    };
    return {
        [keep](const peer_up& up) {
          keep({up.node_id, up.session});
        },
        [keep](const peer_down& down) {
          keep({down.node_id, 0});
        },
        [](const peer_trouble&) {},
    };
  });
}

told_events::~told_events() { caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown); }

caf::strong_actor_ptr told_events::handle() const { return caf::actor_cast<caf::strong_actor_ptr>(actor_); }

std::vector<told_events::event> told_events::wait_for(std::size_t count) {
  std::unique_lock lock(store_->mutex);
  store_->changed.wait_for(lock, std::chrono::seconds(20), [&] { return store_->events.size() >= count; });
  return store_->events;
}

}  // namespace hive::test
