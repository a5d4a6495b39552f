#pragma once

#include <caf/actor_system_config.hpp>

#include "base/result.hpp"

namespace caf {
class actor_system;
}

namespace hive {

/// CAF set up the way that hive needs it, the same in servers and clients: message types, a random node id
/// (CAF's own is the same in two containers with the same pid), the sharing scheduler, heartbeats that find a
/// silent peer in about 2 s, an application identifier, and nothing read from files or written to a log.
class system_config : public caf::actor_system_config {
 public:
  /// `scheduler_threads` 2..4 make sense.
  explicit system_config(std::size_t scheduler_threads = 2);
};

/// The same without network, on CAF's test coordinator: tests step messages and time by hand.
class test_system_config : public caf::actor_system_config {
 public:
  test_system_config();
};

/// Takes away the actors that would let any peer spawn or configure things here. Call once after construction of
/// the system and before anything is published or connected.
void harden(caf::actor_system& system);

}  // namespace hive
