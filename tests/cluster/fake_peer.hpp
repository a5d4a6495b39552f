#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/gate_door.hpp"
#include "actors/interfaces.hpp"
#include "actors/local_messages.hpp"
#include "actors/system_config.hpp"
#include "base/errc.hpp"
#include "gate/acceptor.hpp"
#include "hive/v1/replication.pb.h"
#include "tests/client/tcp_relay.hpp"

namespace hive::test {

/// What a peer of a test has seen and how it shall behave. Guarded by its mutex; every change notifies.
struct peer_script {
  std::mutex mutex;
  std::condition_variable changed;

  int hellos_to_refuse = 0;
  int hellos_to_swallow = 0;
  error refusal{errc::failed_precondition, "another cluster", "cluster"};
  std::vector<v1::PeerHelloRequest> hellos;
  std::uint64_t sessions = 100;  // named so far
  std::vector<v1::PeerMessage> messages;

  template <class Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), condition);
  }
};

/// Another node, as far as peer links see it, on a real loopback port behind a relay that can cut connections.
class fake_peer {
 public:
  /// With `files` behind the gate, with the rules of a real node.
  explicit fake_peer(const std::optional<gate::tls_files>& files = {});
  ~fake_peer();

  peer_script& script() { return *script_; }
  tcp_relay& relay() { return *relay_; }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(relay_->port()); }

 private:
  std::shared_ptr<peer_script> script_;
  system_config config_;
  caf::actor_system system_;
  caf::actor receiver_;
  node_actor node_;
  std::uint16_t port_ = 0;
  std::unique_ptr<basp_door> door_;
  std::unique_ptr<gate::acceptor> gate_;
  std::unique_ptr<tcp_relay> relay_;
};

/// Stands for the replicator: keeps what it is told.
class told_events {
 public:
  struct event {
    std::uint64_t node_id = 0;
    std::uint64_t session = 0;  // 0: down

    friend bool operator==(const event&, const event&) = default;
  };

  told_events();
  ~told_events();

  [[nodiscard]] caf::strong_actor_ptr handle() const;
  /// All up to the `count`th, or what there is after 20 s.
  std::vector<event> wait_for(std::size_t count);

 private:
  struct store {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<event> events;
  };
  std::shared_ptr<store> store_ = std::make_shared<store>();
  system_config config_;
  caf::actor_system system_;
  caf::actor actor_;
};

}  // namespace hive::test
