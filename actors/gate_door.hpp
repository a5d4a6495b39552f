#pragma once

#include <memory>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/interfaces.hpp"
#include "base/result.hpp"
#include "gate/access_rules.hpp"
#include "gate/basp_format.hpp"

namespace hive {

/// How BASP writes the id of this process.
gate::basp::node_key wire_id_of(caf::actor_system& system);

/// Which role may send what to the front actors: `node` everything, `client` what hivectl and the SDK's client do,
/// `operator` that and changes of the cluster and backups, `worker` what a worker session needs. `peer_receiver` (null:
/// the node stands alone) takes PeerMessage of other nodes. Nothing else in the process can be addressed through the
/// gate.
std::shared_ptr<const gate::access_rules> make_access_rules(const node_actor& node, const node_directory& directory,
                                                            const caf::strong_actor_ptr& peer_receiver = {});

/// Joins connections that the gate has let in to BASP, with the node's front actor as what is published there.
/// Thread-safe.
class basp_door {
 public:
  /// `port`: what BASP is told that it listens on.
  basp_door(caf::actor_system& system, node_actor front, std::uint16_t port);

  /// Owns the socket, a plain connected stream, from now on.
  result<void> join(int socket);

 private:
  caf::actor_system& system_;
  caf::actor basp_;
  node_actor front_;
  std::uint16_t port_;
};

}  // namespace hive
