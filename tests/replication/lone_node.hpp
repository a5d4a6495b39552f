#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>

#include "tests/replication/chaos.hpp"
#include "tests/replication/simulated_node.hpp"

namespace hive::replication::testing {

/// One node, and a test that plays its peers: founders 1 to `founders`.
class lone_node {
 public:
  explicit lone_node(std::uint64_t self, std::uint32_t founders = 3, driver_options chosen = small_options())
      : options(std::move(chosen)) {
    options.self = node_id{self};
    options.address = "n" + std::to_string(self);
    for (std::uint64_t i = 1; i <= founders; ++i) {
      members.members.push_back({node_id{i}, "n" + std::to_string(i), member_role::voter});
    }
    if (!found_cluster(*disk.log, members)) throw std::runtime_error{"the cluster cannot be founded"};
    disk.commit();
    start();
  }

  /// (Re)starts it from its disk.
  void start() {
    ++options.random_seed;
    engine = std::make_unique<driver>(options);
    cycle([](driver& one) {
      if (!one.start()) throw std::runtime_error{"the driver cannot start"};
    });
    for (const member& one : members.members) {
      if (one.id != options.self) connect(one.id.value);
    }
  }

  /// A new link to a peer; the next message of it has the first sequence number again.
  void connect(std::uint64_t peer) {
    sessions[peer] = {sessions[peer].first + 1, 0};
    cycle([&](driver& one) { one.open_link(node_id{peer}, session_of(peer), 1); });
  }
  std::uint64_t session_of(std::uint64_t peer) { return 1000 * peer + sessions[peer].first; }

  /// One committed cycle.
  effects cycle(const std::function<void(driver&)>& action) {
    engine->begin_cycle(now, *disk.log, disk);
    action(*engine);
    effects out = engine->end_cycle();
    disk.commit();
    disk.applied.clear();
    return out;
  }

  /// A cycle as its owner runs it, at the time it is: with a tick if it is due.
  effects due_cycle() {
    return cycle([this](driver& one) {
      if (now >= one.next_deadline_ms()) one.tick();
    });
  }
  /// The time passes, with a cycle at each deadline and one at the end. All that they sent and completed.
  effects pass(time_ms span) {
    const time_ms until = now + span;
    effects all;
    while (now < until) {
      now = std::min(until, std::max(now + 1, engine->next_deadline_ms()));
      effects out = due_cycle();
      std::move(out.messages.begin(), out.messages.end(), std::back_inserter(all.messages));
      std::move(out.completions.begin(), out.completions.end(), std::back_inserter(all.completions));
      std::move(out.snapshots_closed.begin(), out.snapshots_closed.end(), std::back_inserter(all.snapshots_closed));
      all.discards_staged = all.discards_staged || out.discards_staged;
    }
    return all;
  }

  /// What a peer says, over its current link.
  effects hear(std::uint64_t from, message_body body) {
    return cycle([&](driver& one) { heard = one.receive(node_id{from}, next_message(from, std::move(body))); });
  }
  peer_message next_message(std::uint64_t from, message_body body) {
    return {session_of(from), ++sessions[from].second, std::move(body)};
  }

  /// Makes it the leader, with the vote of node `voter`. Returns the effects of the cycle in which it won.
  effects lead(std::uint64_t voter = 2) {
    pass(2ULL * options.election_ms);
    hear(voter, vote_result{engine->status().term + 1, true, true});
    return hear(voter, vote_result{engine->status().term, true, false});
  }

  static entry_ptr entry(term_number term, entry_type type, std::string payload) {
    return std::make_shared<const log_entry>(log_entry{term, type, std::move(payload)});
  }
  static entry_ptr command(term_number term, std::uint64_t value) {
    return entry(term, entry_type::command, write_command(1, value));
  }

  /// `count` commands of `term` as a leader sends them, after `previous`.
  static append_entries commands(term_number term, log_index previous, term_number previous_term, std::size_t count,
                                 log_index commit) {
    append_entries body{term, previous, previous_term, commit, {}};
    for (std::size_t i = 0; i < count; ++i) body.entries.push_back(command(term, previous + 1 + i));
    return body;
  }

  driver_options options;
  configuration members;
  simulated_disk disk;
  std::unique_ptr<driver> engine;
  time_ms now = 1000;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> sessions;  // link number, last sequence
  result<void> heard;                                                         // what receive() said last
};

/// The messages of one kind among the effects.
template <class Body>
std::vector<Body> messages_of(const effects& out) {
  std::vector<Body> found;
  for (const outgoing_message& one : out.messages) {
    if (const auto* body = std::get_if<Body>(&one.message.body)) found.push_back(*body);
  }
  return found;
}

}  // namespace hive::replication::testing
