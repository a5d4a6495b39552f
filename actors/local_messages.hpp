#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <caf/actor_control_block.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/message.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "actors/admission.hpp"
#include "actors/interfaces.hpp"
#include "core/machine.hpp"
#include "hive/v1/replication.pb.h"

// Messages that never leave the process. They go by pointer, so that nothing is copied.
namespace hive {

/// Commands for the ledger, applied in order within one transaction (other requests may share it).
struct ledger_request {
  std::vector<v1::Command> commands;
  /// Turns the outcomes, one a command in order, into the answer; runs in the ledger, so it must be short. Lets a
  /// facade delegate its caller to the ledger and save a hop. Empty: the answer is a ledger_reply.
  std::function<caf::message(std::vector<v1::Outcome>&&)> respond;
  /// The session actor of the (only) register_worker command, if the worker is an executor: gets credit.
  caf::strong_actor_ptr session_actor;
  /// What a worker says it can hold beyond its slots, from this batch on.
  struct prefetch_wish {
    worker_id worker;
    session_number session;
    std::uint32_t tasks = 0;
  };
  std::optional<prefetch_wish> prefetch;
  /// Held until the request is answered. Empty for the node's own work, which is always admitted.
  admission::ticket ticket;
  std::chrono::steady_clock::time_point arrived_at = std::chrono::steady_clock::now();
};
using ledger_request_ptr = std::shared_ptr<ledger_request>;

/// An outcome a command, in order.
struct ledger_reply {
  std::vector<v1::Outcome> outcomes;
};
using ledger_reply_ptr = std::shared_ptr<ledger_reply>;

/// Effects of one committed batch, assignments and revocations taken out (they go to the workers alone).
using committed_effects = std::shared_ptr<const core::effects>;

/// The ledger has committed a registration.
struct session_opened {
  v1::Worker worker;
  caf::strong_actor_ptr actor;  // null: registered by hand
};
using session_opened_ptr = std::shared_ptr<const session_opened>;

/// The connection of a session is gone: no more offers.
struct session_closed {
  worker_id worker;
  session_number session;
};

/// When the first timer is due; -1: there is none.
struct timer_due {
  std::int64_t unix_ms = -1;
};

/// Where committed effects go. Null handles are left out.
struct ledger_sinks {
  caf::strong_actor_ptr timekeeper;                   // takes timer_due
  caf::strong_actor_ptr worker_registry;              // takes leadership_changed
  std::vector<caf::strong_actor_ptr> effect_readers;  // take committed_effects
};
using ledger_sinks_ptr = std::shared_ptr<const ledger_sinks>;

/// The ledger gathers: what waits behind this message in its mailbox belongs to the next batch.
struct flush_batch {};

/// The readers of effects get what was held back for them.
struct flush_effects {};

/// Copies of the state, for backups and for followers that are too far behind: open_copy makes one and answers
/// copy_info, read_copy answers copy_bytes.
struct open_copy {};
struct copy_info {
  std::uint64_t id = 0;
  std::uint64_t bytes = 0;
};
struct read_copy {
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  std::size_t bytes_max = 0;
};
struct copy_bytes {
  std::string data;
  bool is_last = false;  // nothing comes after `data`
};
struct drop_copy {
  std::uint64_t id = 0;
};
using copy_keeper_actor =
    caf::typed_actor<caf::replies_to<open_copy>::with<copy_info>, caf::replies_to<read_copy>::with<copy_bytes>,
                     caf::reacts_to<drop_copy>, caf::reacts_to<caf::tick_atom>>;

/// The connection over which this node sends to a peer. Up: the peer has named the session of this direction.
struct peer_up {
  std::uint64_t node_id = 0;
  std::uint64_t session = 0;
};
struct peer_down {
  std::uint64_t node_id = 0;
};
/// Why it is not up; again when the reason changes.
struct peer_trouble {
  std::uint64_t node_id = 0;
  std::string why;
};

using ledger_actor =
    caf::typed_actor<caf::replies_to<ledger_request_ptr>::with<ledger_reply_ptr>, caf::reacts_to<flush_batch>,
                     caf::reacts_to<flush_effects>, caf::reacts_to<session_closed>, caf::reacts_to<ledger_sinks_ptr>>;
/// The writer of a member of a cluster: the ledger's place, and what only a cluster has.
struct replicator_wake {};
using replicator_actor = ledger_actor::extend<
    caf::reacts_to<v1::PeerMessage>, caf::reacts_to<peer_up>, caf::reacts_to<peer_down>, caf::reacts_to<peer_trouble>,
    caf::replies_to<v1::PeerHelloRequest>::with<v1::PeerHelloResponse, caf::strong_actor_ptr>,
    caf::replies_to<v1::ChangeClusterRequest>::with<v1::ChangeClusterResponse>,
    caf::replies_to<v1::ReadBarrierRequest>::with<v1::ReadBarrierResponse>, caf::reacts_to<replicator_wake>>;

/// This node has begun or ceased to lead; in a cluster only.
struct leadership_changed {
  bool is_leader = false;
};

using timekeeper_actor = caf::typed_actor<caf::reacts_to<timer_due>, caf::reacts_to<caf::tick_atom>>;

// The public interfaces plus what the services hear from inside the node.
using worker_registry_service =
    worker_registry_actor::extend<caf::reacts_to<session_opened_ptr>, caf::reacts_to<leadership_changed>,
                                  caf::reacts_to<caf::tick_atom>>;
using event_bus_service = event_bus_actor::extend<caf::reacts_to<committed_effects>, caf::reacts_to<caf::tick_atom>>;
/// The other nodes reach this one's cluster_manager too: the answer names the actor that takes PeerMessage.
using cluster_manager_service = cluster_manager_actor::extend<
    caf::replies_to<v1::PeerHelloRequest>::with<v1::PeerHelloResponse, caf::strong_actor_ptr>>;
using plan_supervisor_service = plan_supervisor_actor::extend<caf::reacts_to<caf::tick_atom>>;

}  // namespace hive

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::ledger_request_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::ledger_reply_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::committed_effects)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::session_opened_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::session_closed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::timer_due)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::ledger_sinks_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::flush_batch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::flush_effects)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::open_copy)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::copy_info)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::read_copy)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::copy_bytes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::drop_copy)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::peer_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::peer_down)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::peer_trouble)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::replicator_wake)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::leadership_changed)
