#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/io/connection_handle.hpp>

namespace hive {

// What BASP of CAF 0.17.6 leaves undone, done from outside. All of it happens on CAF's network thread, later.

/// Before a socket is given to BASP to connect with: until the other side has said something, BASP takes it for silent
/// since ever, and closes it at its next tick (500 ms) instead of after the connection timeout.
void expect_handshake(caf::actor_system& system, const caf::actor& basp, caf::io::connection_handle connection);

/// Once a minute: BASP keeps an actor for every process that ever connected. Those of processes that are gone are given
/// up. An actor that does this until it ends; it must end before the system does.
caf::actor start_forgetting_processes(caf::actor_system& system);

/// The same at once; of a test.
void forget_gone_processes(caf::actor_system& system, const caf::actor& basp);

}  // namespace hive
