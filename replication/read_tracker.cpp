#include "replication/read_tracker.hpp"

#include <utility>

namespace hive::replication {

std::uint64_t read_tracker::begin(log_index commit_index, time_ms now) {
  is_open_ = true;
  round_ = {commit_index, std::exchange(waiting_, {})};
  answered_.clear();
  sent_ms_ = now;
  return ++number_;
}

bool read_tracker::is_retry_due(time_ms now, std::uint32_t retry_ms) {
  if (!is_open_ || now - sent_ms_ < retry_ms) return false;
  sent_ms_ = now;
  return true;
}

void read_tracker::note_pong(node_id from, std::uint64_t round) {
  if (is_open_ && round == number_) answered_.insert(from);
}

std::optional<read_tracker::confirmed_reads> read_tracker::take_confirmed(const configuration& members, node_id self) {
  if (!is_open_) return std::nullopt;
  std::size_t count = members.is_voter(self) ? 1 : 0;
  for (const node_id one : answered_) {
    if (one != self && members.is_voter(one)) ++count;
  }
  if (count <= members.voter_count() / 2) return std::nullopt;
  is_open_ = false;
  return std::exchange(round_, {});
}

std::vector<read_tracker::waiter> read_tracker::take_all() {
  std::vector<waiter> all = std::exchange(round_, {}).waiters;
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
  is_open_ = false;
  return all;
}

}  // namespace hive::replication
