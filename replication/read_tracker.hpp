#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "replication/types.hpp"

namespace hive::replication {

/// Linearizable reads without a log entry: ReadIndex (Ongaro's thesis, section 6.4), batched.
/// A leader that has committed an entry of its term notes its commit index, hears from a majority that it still leads,
/// and the reads that waited when it began may be answered from any state that has reached that index. One round is
/// under way at a time; what comes meanwhile goes into the next one.
class read_tracker {
 public:
  /// A read waits here (origin 0: our own, else a follower's query).
  struct waiter {
    node_id origin;
    std::uint64_t id = 0;
  };
  struct confirmed_reads {
    log_index index = 0;
    std::vector<waiter> waiters;
  };

  /// Rounds are counted from here on, so that they are not those from before a restart.
  void number_from(std::uint64_t number) { number_ = number; }
  void add(waiter one) { waiting_.push_back(one); }
  [[nodiscard]] std::size_t size() const { return waiting_.size() + round_.waiters.size(); }
  [[nodiscard]] bool is_round_open() const { return is_open_; }
  [[nodiscard]] bool has_waiting() const { return !waiting_.empty(); }

  /// Begins a round at `commit_index`; returns its number.
  std::uint64_t begin(log_index commit_index, time_ms now);
  [[nodiscard]] std::uint64_t round() const { return number_; }
  /// True, once every `retry_ms`: the ping of the open round should go out again.
  bool is_retry_due(time_ms now, std::uint32_t retry_ms);
  void note_pong(node_id from, std::uint64_t round);
  /// The open round's reads if a majority of the voters answered; the leader itself counts if it is one.
  std::optional<confirmed_reads> take_confirmed(const configuration& members, node_id self);
  /// Leadership is lost: everybody who waits.
  std::vector<waiter> take_all();

 private:
  std::vector<waiter> waiting_;
  confirmed_reads round_;
  bool is_open_ = false;
  std::uint64_t number_ = 0;  // never reused, so that a late pong counts for nothing
  time_ms sent_ms_ = 0;
  std::set<node_id> answered_;
};

}  // namespace hive::replication
