// The mailbox, the cycle and the driver's life. What leaves after the commit: replicator_effects.cpp; who leads:
// replicator_view.cpp.
#include "actors/replicator.hpp"

#include <algorithm>

#include <caf/actor_cast.hpp>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "actors/member_store.hpp"
#include "core/rules_version.hpp"
#include "replication/peer_codec.hpp"
#include "replication/table_log_store.hpp"

namespace hive {
namespace {

using std::chrono::milliseconds;

/// An entry holds no more, but for a single request that is larger: peers' heartbeats wait behind it.
constexpr std::uint64_t entry_bytes_max = 512ULL << 10;
/// Between two tries to go on while the store fails.
constexpr milliseconds failure_pause{500};
constexpr milliseconds view_interval{250};
/// Nodes that greet and are not known as members: those that are being added.
constexpr std::size_t greeters_max = 64;
constexpr std::size_t version_bytes_max = 64;
constexpr std::size_t events_max = 100'000;

replication::driver_options options_of(const replicator_state& state) {
  const auto& cluster = state.context->config.cluster;
  replication::driver_options options;
  options.self = replication::node_id{cluster.node_id};
  options.address = own_endpoint(state.context->config);
  options.random_seed = state.context->incarnation + state.drivers_opened;
  options.sequence_base = state.now_ms() << 20;
  options.election_ms = cluster.election_ms;
  options.heartbeat_ms = cluster.heartbeat_ms;
  options.message_bytes_max = 1ULL << 20;
  options.trailing_entries = 100'000;
  options.trailing_bytes_max = 128ULL << 20;
  options.pinned_bytes_max = 1ULL << 30;
  return options;
}

/// Runs `action`; what it throws as a value.
template <class Action>
result<void> caught(Action action) {
  try {
    action();
    return {};
  } catch (const core::table_error& problem) {
    return error{problem.code(), problem.what(), {}};
  } catch (const std::exception& problem) {
    return error{errc::internal, problem.what(), {}};
  }
}

}  // namespace

replication::time_ms replicator_state::now_ms() const {
  return static_cast<replication::time_ms>(
      std::chrono::duration_cast<milliseconds>(self->clock().now().time_since_epoch()).count());
}

// ---- requests

caf::result<ledger_reply_ptr> replicator_state::on_request(ledger_request_ptr& request) {
  auto promise = self->make_response_promise();
  pending.push_back({std::move(request), {}, {}});
  promises.push_back(promise);
  request_flush();
  return promise;
}

caf::result<v1::ReadBarrierResponse> replicator_state::on_barrier() {
  auto promise = self->make_response_promise<v1::ReadBarrierResponse>();
  const std::uint64_t ticket = ++last_ticket;
  barriers.emplace(ticket, promise);
  in_next_cycle([this, ticket] {
    if (auto asked = driver->read({ticket}); !asked) complete({{ticket}, asked.failure(), false, 0});
  });
  return promise;
}

caf::result<v1::ChangeClusterResponse> replicator_state::on_change(const v1::ChangeClusterRequest& request) {
  using replication::change_kind;
  replication::membership_change what;
  std::optional<std::uint64_t> transfer_to;
  switch (request.change_case()) {
    case v1::ChangeClusterRequest::kInit: {
      if (auto founded = found_alone(*context->store, context->config); !founded)
        return refuse(*context, name, founded.failure());
      give_up_driver({errc::unavailable, "the cluster is being founded", {}});
      open_driver();
      request_flush();
      return v1::ChangeClusterResponse{};
    }
    case v1::ChangeClusterRequest::kAdd: {
      const auto address = config::parse_endpoint(request.add().endpoint(), "add.endpoint");
      if (!address) return refuse(*context, name, address.failure());
      what = {change_kind::add_stand_by, {request.add().node_id()}, request.add().endpoint(), false};
      break;
    }
    case v1::ChangeClusterRequest::kPromote:
      what = {change_kind::promote, {request.promote().node_id()}, {}, false};
      break;
    case v1::ChangeClusterRequest::kDemote:
      what = {change_kind::demote, {request.demote().node_id()}, {}, request.demote().is_forced()};
      break;
    case v1::ChangeClusterRequest::kRemove:
      what = {change_kind::remove, {request.remove().node_id()}, {}, request.remove().is_forced()};
      break;
    case v1::ChangeClusterRequest::kTransfer:
      transfer_to = request.transfer().node_id();
      break;
    case v1::ChangeClusterRequest::CHANGE_NOT_SET:
      return refuse(*context, name, {errc::invalid_argument, "no change is named", "change"});
  }
  auto promise = self->make_response_promise<v1::ChangeClusterResponse>();
  const std::uint64_t ticket = ++last_ticket;
  changes.emplace(ticket, promise);
  in_next_cycle([this, ticket, what, transfer_to] {
    auto begun = transfer_to ? driver->transfer({ticket}, {*transfer_to}) : driver->change({ticket}, what);
    if (!begun) complete({{ticket}, begun.failure(), false, 0});
  });
  return promise;
}

// ---- peers

caf::result<v1::PeerHelloResponse, caf::strong_actor_ptr> replicator_state::on_hello(
    const v1::PeerHelloRequest& request) {
  const auto& cluster = context->config.cluster;
  const auto refuse_hello = [&](errc code, const std::string& why, const char* field) {
    const auto now = std::chrono::steady_clock::now();
    const bool is_known = refused_hellos.contains(request.node_id()) || refused_hellos.size() < greeters_max;
    if (is_known && refused_hellos[request.node_id()].allows(why, now))
      config::logger(name)->warn("peer refused node={} endpoint={}: {}", request.node_id(),
                                 request.endpoint().substr(0, 256), why);
    return refuse(*context, name, {code, why, field});
  };
  if (request.cluster() != cluster.name)
    return refuse_hello(errc::failed_precondition, "this node is of the cluster \"" + cluster.name + "\"", "cluster");
  if (request.receiver_id() != cluster.node_id)
    return refuse_hello(errc::failed_precondition, "this is node " + std::to_string(cluster.node_id), "receiver_id");
  if (request.node_id() == 0 || request.node_id() == cluster.node_id)
    return refuse_hello(errc::invalid_argument, "that number is this node's own, or none", "node_id");
  if (request.rules_version() != core::rules_version)
    return refuse_hello(errc::failed_precondition,
                        "its version " + request.version().substr(0, version_bytes_max) + " has the rules " +
                            std::to_string(request.rules_version()) + ", this one, " + context->version + ", has " +
                            std::to_string(core::rules_version) + ": upgrade all nodes together",
                        "rules_version");
  if (standing.has_own_work)
    return refuse_hello(errc::failed_precondition,
                        "this node has tasks of its own, which a copy of the other nodes' state would replace: make it "
                        "the first of a cluster with hivectl cluster init, or start it with an empty data folder",
                        "lineage");
  if (standing.lineage != 0 && request.lineage() != 0 && request.lineage() != standing.lineage)
    return refuse_hello(errc::failed_precondition,
                        "its cluster \"" + cluster.name +
                            "\" is not this one: they were founded apart, or one was recovered without the other; of "
                            "the two, empty the data folder of the node that shall join and add it anew",
                        "lineage");
  const std::uint64_t peer = request.node_id();
  if (!config::parse_endpoint(request.endpoint(), "endpoint"))
    return refuse_hello(errc::invalid_argument, "its endpoint cannot be read", "endpoint");
  if (greeters.contains(peer) || greeters.size() < greeters_max) greeters[peer] = request.endpoint();
  if (versions.contains(peer) || versions.size() < greeters_max)
    versions[peer] = request.version().substr(0, version_bytes_max);
  if (const auto before = inbound.find(peer); before != inbound.end()) inbound_sender.erase(before->second);
  const std::uint64_t session = ++last_session;
  inbound[peer] = session;
  inbound_sender[session] = peer;
  link(peer);
  if (driver) reach_peers(seen);
  v1::PeerHelloResponse response;
  response.set_session(session);
  response.set_incarnation(context->incarnation);
  response.set_version(context->version);
  return {std::move(response), caf::actor_cast<caf::strong_actor_ptr>(self->address())};
}

void replicator_state::on_message(v1::PeerMessage& message) {
  const auto from = inbound_sender.find(message.session());
  if (from == inbound_sender.end() || events.size() >= events_max) return;  // of an old link; Raft repeats it
  auto decoded = replication::from_wire(std::move(message));
  if (!decoded) return warn_refused(from->second, to_string(decoded.failure()));
  auto shared = std::make_shared<replication::peer_message>(std::move(*decoded));
  in_next_cycle([this, peer = from->second, shared] {
    if (auto taken = driver->receive({peer}, std::move(*shared)); !taken)
      warn_refused(peer, to_string(taken.failure()));
  });
}

/// A peer repeats what it was refused, ten times a second.
void replicator_state::warn_refused(std::uint64_t peer, const std::string& why) {
  if (refused_messages[peer].allows(why, std::chrono::steady_clock::now()))
    config::logger(name)->warn("message of node {} refused: {}", peer, why);
}

void replicator_state::on_up(peer_up up) {
  outbound[up.node_id] = up.session;
  troubles.erase(up.node_id);
  config::logger(name)->info("peer connected node={}", up.node_id);
  link(up.node_id);
}

void replicator_state::on_down(peer_down down) {
  if (outbound.erase(down.node_id) == 0) return;
  config::logger(name)->warn("peer lost node={}", down.node_id);
  in_next_cycle([this, down] { driver->close_link({down.node_id}); });
}

void replicator_state::on_trouble(const peer_trouble& told) {
  if (troubles.contains(told.node_id) || troubles.size() < greeters_max) troubles[told.node_id] = told.why;
}

void replicator_state::link(std::uint64_t peer) {
  const auto in = inbound.find(peer);
  const auto out = outbound.find(peer);
  if (in == inbound.end() || out == outbound.end()) return;
  in_next_cycle([this, peer, in = in->second, out = out->second] { driver->open_link({peer}, in, out); });
}

// ---- the cycle

void replicator_state::in_next_cycle(std::function<void()> event) {
  events.push_back(std::move(event));
  request_flush();
}

void replicator_state::request_flush() {
  if (is_flush_requested) return;
  is_flush_requested = true;
  self->send(self, flush_batch{});
}

void replicator_state::on_flush() {
  is_flush_requested = false;
  run_cycle();
}

void replicator_state::on_wake() {
  wakes_at_ms = -1;
  if (!driver) open_driver();
  run_cycle();
}

void replicator_state::run_cycle() {
  if (!driver) {
    events.clear();
    fail_waiting(not_leader());
    return arm_timer();
  }
  auto now_events = std::move(events);
  events.clear();
  auto out = try_cycle(std::move(now_events));
  if (out) {
    if (auto released = caught([&] { release(std::move(*out)); }); !released) give_up_driver(released.failure());
  }
  arm_timer();
}

std::optional<replication::effects> replicator_state::try_cycle(std::vector<std::function<void()>>&& now_events) {
  using steady = std::chrono::steady_clock;
  const auto begun = steady::now();
  try {
    const auto transaction = context->store->write();
    replication::table_log_store log{*transaction};
    machine->begin(*transaction);
    driver->begin_cycle(now_ms(), log, *machine);
    if (!is_started) {
      is_started = true;
      if (auto started = driver->start(); !started)
        throw core::table_error(started.failure().code, started.failure().message);
    }
    for (const auto& event : now_events) event();
    if (now_ms() >= driver->next_deadline_ms()) driver->tick();
    propose();
    auto out = driver->end_cycle();
    if (driver->failure()) throw core::table_error(driver->failure()->code, driver->failure()->message);
    if (!driver->has_changes()) return out;
    machine->flush();
    const auto applied = steady::now();
    if (auto committed = transaction->commit(); !committed)
      throw core::table_error(committed.failure().code, committed.failure().message);
    if (context->probe != nullptr && machine->applied_commands() > 0)
      context->probe->batch_committed(machine->applied_commands(), applied - begun, steady::now() - applied);
    return out;
  } catch (const core::table_error& problem) {
    give_up_driver({problem.code(), problem.what(), {}});
  } catch (const std::exception& problem) {
    give_up_driver({errc::internal, problem.what(), {}});
  }
  return std::nullopt;
}

std::vector<pending_write> replicator_state::take_batch(std::vector<caf::response_promise>& waiting) {
  std::size_t count = 0;
  std::size_t commands = 0;
  std::uint64_t bytes = 0;
  for (; count < pending.size(); ++count) {
    const auto& request = *pending[count].request;
    std::uint64_t more = 0;
    for (const auto& command : request.commands) more += command.ByteSizeLong();
    const bool is_over = bytes + more > entry_bytes_max ||
                         commands + request.commands.size() > context->config.ledger.batch_commands_max;
    if (count > 0 && is_over) break;
    bytes += more;
    commands += request.commands.size();
  }
  const auto end = static_cast<std::ptrdiff_t>(count);
  std::vector<pending_write> batch(std::make_move_iterator(pending.begin()),
                                   std::make_move_iterator(pending.begin() + end));
  pending.erase(pending.begin(), pending.begin() + end);
  waiting.assign(std::make_move_iterator(promises.begin()), std::make_move_iterator(promises.begin() + end));
  promises.erase(promises.begin(), promises.begin() + end);
  return batch;
}

void replicator_state::propose() {
  if (!driver->is_leader()) return refuse_pending(not_leader());
  if (machine->proposal() != 0) return;
  std::vector<caf::response_promise> waiting;
  auto batch = take_batch(waiting);
  std::string entry = machine->propose(std::move(batch), is_serving);
  if (entry.empty()) return;
  proposals.push_back({machine->proposal(), std::move(waiting)});
  proposal_ticket = ++last_ticket;
  // It may be applied at once: a lone voter is its own majority.
  std::vector<std::string> entries;
  entries.push_back(std::move(entry));
  if (auto submitted = driver->submit({proposal_ticket}, std::move(entries)); !submitted) {
    // Nothing was done, so whatever was asked for may be asked for again: leadership is being handed over, say.
    complete({{proposal_ticket}, submitted.failure(), false, 0});
  }
}

void replicator_state::arm_timer() {
  const auto now = static_cast<std::int64_t>(now_ms());
  std::int64_t deadline = now + failure_pause.count();
  if (driver) {
    deadline = std::min(static_cast<std::int64_t>(driver->next_deadline_ms()), now + view_interval.count());
    deadline = std::max(deadline, now + 1);
  }
  if (wakes_at_ms > now && wakes_at_ms <= deadline) return;  // an earlier message will look again
  wakes_at_ms = deadline;
  self->delayed_send(self, milliseconds(deadline - now), replicator_wake{});
}

// ---- the driver's life

void replicator_state::open_driver() {
  result<void> loaded;
  const auto look = [&] {
    loaded = machine->load();
    if (loaded) loaded = look_at_store();
  };
  if (auto read = caught(look); !read) loaded = read;
  if (!loaded) {
    if (trouble != loaded.failure().message)
      config::logger(name)->error("cannot read the tables: {}", to_string(loaded.failure()));
    trouble = loaded.failure().message;
    return;
  }
  ++drivers_opened;
  driver = std::make_unique<replication::driver>(options_of(*this));
  is_started = false;
  events.clear();
  for (const auto& [peer, session] : outbound) link(peer);
}

result<void> replicator_state::look_at_store() {
  auto found = standing_of(*context->store);
  if (!found) return found.failure();
  standing = *found;
  return {};
}

void replicator_state::give_up_driver(const error& why) {
  if (trouble != why.message) config::logger(name)->error("replication stands still: {}", to_string(why));
  trouble = why.message;
  if (context->probe != nullptr) context->probe->batch_failed(why.code);
  driver.reset();
  events.clear();
  offered.clear();
  if (stage) stage->discard();
  set_serving(false);
  seen = {};
  // What was proposed may be in the log of others already.
  fail_waiting({errc::unavailable, "the node could not write; try again", {}});
  refresh_view();
}

replicator_actor::behavior_type replicator(replicator_actor::stateful_pointer<replicator_state> self,
                                           service_context_ptr context, copy_keeper_actor copies) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.copies = std::move(copies);
  state.machine.emplace(state.context);
  state.stage.emplace(state.context->config.node.data_dir);
  state.stage->discard();
  state.outlet.emplace(state.context);
  state.open_driver();
  state.request_flush();
  return {
      guarded(self, [&state](ledger_request_ptr& request) { return state.on_request(request); }),
      guarded(self, [&state](flush_batch) { state.on_flush(); }),
      guarded(self, [&state](flush_effects) { state.outlet->flush(); }),
      guarded(self, [&state](const session_closed& closed) { state.machine->suspend(closed.worker, closed.session); }),
      guarded(self, [&state](const ledger_sinks_ptr& sinks) { state.outlet->open(sinks); }),
      guarded(self, [&state](v1::PeerMessage& message) { state.on_message(message); }),
      guarded(self, [&state](peer_up up) { state.on_up(up); }),
      guarded(self, [&state](peer_down down) { state.on_down(down); }),
      guarded(self, [&state](const peer_trouble& told) { state.on_trouble(told); }),
      guarded(self, [&state](const v1::PeerHelloRequest& request) { return state.on_hello(request); }),
      guarded(self, [&state](const v1::ChangeClusterRequest& request) { return state.on_change(request); }),
      guarded(self, [&state](const v1::ReadBarrierRequest&) { return state.on_barrier(); }),
      guarded(self, [&state](replicator_wake) { state.on_wake(); }),
  };
}

}  // namespace hive
