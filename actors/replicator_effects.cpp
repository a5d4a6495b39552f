// What leaves after the commit of a cycle: messages, answers, work, events, copies of the state.
#include <algorithm>

#include "actors/assignment_push.hpp"
#include "actors/front_actor.hpp"
#include "actors/ledger_answer.hpp"
#include "actors/ledger_facade.hpp"
#include "actors/member_store.hpp"
#include "actors/replicator.hpp"
#include "core/queries.hpp"
#include "replication/peer_codec.hpp"

namespace hive {
namespace {

/// Behind a piece of a copy no heartbeat should wait for long.
constexpr std::size_t piece_bytes_max = 256ULL << 10;

}  // namespace

void replicator_state::release(replication::effects&& out) {
  for (auto& message : out.messages) context->peers->send(message.to.value, replication::to_wire(message.message));
  machine->publish_sessions();
  core::effects effects = machine->take_effects();
  const bool has_applied = machine->applied_commands() > 0;
  answer_finished(effects);
  for (const auto& one : out.completions) complete(one);
  if (outlet->send(std::move(effects))) self->delayed_send(self, effects_outlet::pause, flush_effects{});
  if (is_serving) outlet->tell_due(machine->next_due_unix_ms());
  for (const auto& read : out.snapshot_reads) read_snapshot(read);
  for (const auto id : out.snapshots_closed) close_snapshot(id);
  if (out.discards_staged) stage->discard();
  if (out.write) write_snapshot(*out.write);
  if (out.swap) swap_snapshot(*out.swap);
  const auto now = now_ms();
  if (out.is_role_changed || (driver && driver->is_leader() && !is_serving) || now >= view_due_ms) refresh_view();
  if (out.is_another_cycle_due || has_applied || (machine->proposal() == 0 && !pending.empty())) request_flush();
}

void replicator_state::answer_finished(core::effects& effects) {
  auto finished = machine->take_finished();
  auto arrived_at = std::chrono::steady_clock::now();
  const auto answer_all = [&](bool is_registration) {
    for (auto& done : finished) {
      const auto open = std::find_if(proposals.begin(), proposals.end(),
                                     [&](const open_proposal& one) { return one.number == done.number; });
      if (open == proposals.end()) continue;
      for (std::size_t i = 0; i < done.writes.size(); ++i) {
        arrived_at = std::min(arrived_at, done.writes[i].request->arrived_at);
        if ((done.writes[i].request->session_actor != nullptr) == is_registration)
          answer(done.writes[i], open->promises[i]);
      }
      if (!is_registration) proposals.erase(open);
    }
  };
  // A registration is answered before its first assignments leave: the worker learns its session first.
  answer_all(true);
  if (driver && driver->is_leader()) {
    push_to_sessions(*context, effects, arrived_at);
  } else {
    effects.assignments.clear();
    effects.revocations.clear();
  }
  answer_all(false);
}

void replicator_state::complete(const replication::completion& one) {
  const std::uint64_t ticket = one.request.value;
  const auto deliver = [&](auto& waiting, auto response) {
    const auto found = waiting.find(ticket);
    if (found == waiting.end()) return;
    auto promise = std::move(found->second);
    waiting.erase(found);
    if (!one.failure) {
      promise.deliver(std::move(response));
      return;
    }
    promise.deliver(make_error(one.failure->code == errc::not_leader ? not_leader() : *one.failure));
  };
  v1::ReadBarrierResponse read;
  read.set_applied_index(one.index);
  deliver(barriers, std::move(read));
  v1::ChangeClusterResponse changed;
  changed.set_index(one.index);
  deliver(changes, std::move(changed));
  // A proposal that was applied has been answered; one that was not will not be.
  if (ticket != proposal_ticket || !one.failure || machine->proposal() == 0) return;
  const std::uint64_t number = machine->proposal();
  auto writes = machine->drop_proposal();
  const auto open = std::find_if(proposals.begin(), proposals.end(),
                                 [&](const open_proposal& entry) { return entry.number == number; });
  if (open == proposals.end()) return;
  auto waiting = std::move(open->promises);
  proposals.erase(open);
  const error why =
      one.is_outcome_unknown
          ? error{errc::unavailable, "leadership was lost on the way: it may or may not have happened", {}}
          : not_leader();
  for (std::size_t i = 0; i < writes.size(); ++i) {
    writes[i].failure = why;
    answer(writes[i], waiting[i]);
  }
}

void replicator_state::refuse_pending(const error& why) {
  auto writes = std::exchange(pending, {});
  auto waiting = std::exchange(promises, {});
  for (std::size_t i = 0; i < writes.size(); ++i) {
    writes[i].failure = why;
    answer(writes[i], waiting[i]);
  }
}

void replicator_state::fail_waiting(const error& why) {
  for (auto& open : proposals) {
    for (auto& promise : open.promises) promise.deliver(make_error(why));
  }
  proposals.clear();
  machine->drop_proposal();
  machine->take_finished();
  refuse_pending(not_leader());
  for (auto& [ticket, promise] : std::exchange(barriers, {})) promise.deliver(make_error(why));
  for (auto& [ticket, promise] : std::exchange(changes, {})) promise.deliver(make_error(why));
}

// ---- copies for followers that are too far behind

void replicator_state::read_snapshot(const replication::snapshot_read& read) {
  const auto [entry, is_new] = offered.try_emplace(read.id);
  if (entry->second.id != 0) return read_piece(entry->second.id, read);
  entry->second.waiting.push_back(read);
  if (!is_new) return;
  self->request(copies, caf::infinite, open_copy{})
      .then(
          [this, id = read.id](const copy_info& made) {
            const auto found = offered.find(id);
            if (found == offered.end()) return self->send(copies, drop_copy{made.id});
            found->second.id = made.id;
            for (const auto& waiting : std::exchange(found->second.waiting, {})) read_piece(made.id, waiting);
          },
          [this, id = read.id](const caf::error& failure) {
            config::logger(name)->error("no copy for a follower: {}", to_string(to_error(failure)));
            offered.erase(id);
            in_next_cycle([this, id] { driver->snapshot_failed(id); });
          });
}

void replicator_state::read_piece(std::uint64_t copy, const replication::snapshot_read& read) {
  self->request(copies, caf::infinite, read_copy{copy, read.offset, std::min(read.bytes_max, piece_bytes_max)})
      .then(
          [this, read](copy_bytes& piece) {
            auto data = std::make_shared<std::string>(std::move(piece.data));
            in_next_cycle([this, read, data, is_last = piece.is_last] {
              driver->snapshot_bytes(read.id, read.offset, std::move(*data), is_last);
            });
          },
          [this, id = read.id](const caf::error& failure) {
            config::logger(name)->error("a copy for a follower cannot be read: {}", to_string(to_error(failure)));
            in_next_cycle([this, id] { driver->snapshot_failed(id); });
          });
}

void replicator_state::close_snapshot(replication::snapshot_id id) {
  const auto found = offered.find(id);
  if (found == offered.end()) return;
  if (found->second.id != 0) self->send(copies, drop_copy{found->second.id});
  offered.erase(found);
}

// ---- a copy of another node's state for this one

void replicator_state::write_snapshot(const replication::snapshot_write& piece) {
  if (piece.offset == 0) config::logger(name)->info("this node is too far behind: fetching the state of the leader");
  const auto written = stage->write(piece);
  if (!written) {
    config::logger(name)->error("cannot take the state of the leader: {}", to_string(written.failure()));
    stage->discard();
    in_next_cycle([this] { driver->snapshot_refused(); });
  } else {
    in_next_cycle([this, bytes = *written] { driver->snapshot_written(bytes); });
  }
}

void replicator_state::swap_snapshot(const replication::snapshot_swap& swap) {
  auto installed = install_copy(*context->store, stage->folder(), swap, context->config);
  if (installed) installed = machine->load();
  if (installed) installed = look_at_store();
  stage->discard();
  if (!installed) {
    config::logger(name)->error("cannot put the leader's state in place: {}", to_string(installed.failure()));
    // Either state may be in place now, so that the driver must look again.
    return give_up_driver(installed.failure());
  }
  config::logger(name)->info("the leader's state is in place up to entry {}", swap.point.index);
  ++snapshots_installed;
  events.insert(events.begin(), [this] {
    if (auto done = driver->snapshot_installed(); !done)
      config::logger(name)->error("the installed state is refused: {}", to_string(done.failure()));
  });
  request_flush();
  // Subscribers here are behind now; the last event shows their bus how far.
  const auto snapshot = context->store->read();
  v1::ReadEventsRequest last;
  const std::uint64_t newest = core::summarize(*snapshot).event_seq_last();
  if (newest == 0) return;
  last.set_after_seq(newest - 1);
  last.set_limit(1);
  auto page = core::read_events(*snapshot, last);
  if (!page || page->events_size() == 0) return;
  core::effects jump;
  jump.events.push_back(page->events(0));
  if (outlet->send(std::move(jump))) self->delayed_send(self, effects_outlet::pause, flush_effects{});
}

}  // namespace hive
