#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/response_promise.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/effects_outlet.hpp"
#include "actors/local_messages.hpp"
#include "actors/member_store.hpp"
#include "actors/peer_network.hpp"
#include "actors/replica_machine.hpp"
#include "actors/service_context.hpp"
#include "actors/snapshot_stage.hpp"
#include "config/repeated_line.hpp"

namespace hive {

/// The single writer of a member of a cluster: takes the ledger's place. Whatever waits in its mailbox, requests,
/// peers' messages and timers, becomes one cycle of the replication driver, in one transaction with one fsync; nothing
/// is answered or sent before it is on disk. While the node leads, its requests become one entry of the log at a time:
/// the next one gathers while this one is on its way to a majority. Runs detached: it blocks in fsync.
///
/// If the store fails, the driver is given up and begun anew from what is stored, until it works. Whatever is thrown,
/// the next wake-up is set.
struct replicator_state {
  static inline const char* const name = "replicator";
  using pointer = replicator_actor::stateful_pointer<replicator_state>;

  // ---- from the facades
  caf::result<ledger_reply_ptr> on_request(ledger_request_ptr& request);
  caf::result<v1::ChangeClusterResponse> on_change(const v1::ChangeClusterRequest& request);
  caf::result<v1::ReadBarrierResponse> on_barrier();

  // ---- from the peers
  caf::result<v1::PeerHelloResponse, caf::strong_actor_ptr> on_hello(const v1::PeerHelloRequest& request);
  void on_message(v1::PeerMessage& message);
  void on_up(peer_up up);
  void on_down(peer_down down);
  void on_trouble(const peer_trouble& told);
  void warn_refused(std::uint64_t peer, const std::string& why);

  // ---- the cycle
  void on_flush();
  void on_wake();
  void request_flush();
  void in_next_cycle(std::function<void()> event);
  void run_cycle();
  /// Events of the cycle, one proposal if there is something to propose; the effects if it was committed.
  std::optional<replication::effects> try_cycle(std::vector<std::function<void()>>&& events);
  void propose();
  std::vector<pending_write> take_batch(std::vector<caf::response_promise>& waiting);
  void release(replication::effects&& out);
  void arm_timer();

  // ---- the driver's life
  void open_driver();
  result<void> look_at_store();
  void give_up_driver(const error& why);
  void link(std::uint64_t peer);

  // ---- what leaves after the commit (replicator_effects.cpp)
  void answer_finished(core::effects& effects);
  void complete(const replication::completion& one);
  void fail_waiting(const error& why);
  void refuse_pending(const error& why);
  void read_snapshot(const replication::snapshot_read& read);
  void read_piece(std::uint64_t copy, const replication::snapshot_read& read);
  void close_snapshot(replication::snapshot_id id);
  void write_snapshot(const replication::snapshot_write& piece);
  void swap_snapshot(const replication::snapshot_swap& swap);

  // ---- who leads (replicator_view.cpp)
  /// Looks at who leads and who belongs to the cluster, and tells who must know.
  void refresh_view();
  void set_serving(bool is_leader);
  void reach_peers(const replication::driver_status& status);
  void describe(const replication::driver_status& status);
  void measure(const replication::driver_status& status) const;
  [[nodiscard]] error not_leader() const;

  [[nodiscard]] replication::time_ms now_ms() const;

  pointer self = nullptr;
  service_context_ptr context;
  copy_keeper_actor copies;
  std::optional<replica_machine> machine;
  std::optional<snapshot_stage> stage;
  std::optional<effects_outlet> outlet;
  std::unique_ptr<replication::driver> driver;  // null: it failed, and is tried again
  bool is_started = false;                      // the driver's first cycle was
  std::uint64_t drivers_opened = 0;
  std::string trouble;  // why it failed last

  std::vector<std::function<void()>> events;  // of the next cycle
  bool is_flush_requested = false;
  std::int64_t wakes_at_ms = -1;

  std::vector<pending_write> pending;
  std::vector<caf::response_promise> promises;  // of `pending`, in order
  struct open_proposal {
    std::uint64_t number = 0;
    std::vector<caf::response_promise> promises;
  };
  std::vector<open_proposal> proposals;  // at most two: one applied in this cycle, one under way
  std::uint64_t last_ticket = 0;
  std::uint64_t proposal_ticket = 0;
  std::map<std::uint64_t, caf::typed_response_promise<v1::ReadBarrierResponse>> barriers;   // by ticket
  std::map<std::uint64_t, caf::typed_response_promise<v1::ChangeClusterResponse>> changes;  // by ticket

  // peers
  std::uint64_t last_session = 0;
  std::map<std::uint64_t, std::uint64_t> inbound;         // node -> session that we chose
  std::map<std::uint64_t, std::uint64_t> inbound_sender;  // that session -> node
  std::map<std::uint64_t, std::uint64_t> outbound;        // node -> session that it chose
  std::map<std::uint64_t, std::string> versions;          // of those that said hello last: node -> program's version
  std::map<std::uint64_t, std::string> greeters;          // not members, as far as we know: node -> endpoint
  std::map<std::uint64_t, std::string> troubles;          // why a peer is not reached
  std::map<std::uint64_t, config::repeated_line> refused_hellos;    // by who said them
  std::map<std::uint64_t, config::repeated_line> refused_messages;  // by linked peer
  std::vector<peer_network::peer> reached;
  store_standing standing;  // of the store as it was found, or got from the leader

  // snapshots that followers pull
  struct offered_copy {
    std::uint64_t id = 0;  // 0: being made
    std::vector<replication::snapshot_read> waiting;
  };
  std::map<replication::snapshot_id, offered_copy> offered;

  // who leads, as told
  bool is_serving = false;  // leads, and has applied all that was committed before
  replication::driver_status seen;
  replication::time_ms view_due_ms = 0;
  std::uint64_t leader_changes = 0;
  config::repeated_line role_line;
  std::uint64_t snapshots_installed = 0;
};

/// The store must be prepared (actors/member_store.hpp).
replicator_actor::behavior_type replicator(replicator_actor::stateful_pointer<replicator_state> self,
                                           service_context_ptr context, copy_keeper_actor copies);

}  // namespace hive
