#pragma once

#include <map>
#include <optional>
#include <vector>

#include "replication/number_source.hpp"
#include "replication/types.hpp"

namespace hive::replication {

/// The sending side of snapshot transfers: which copies were offered to whom. While one is open the log keeps what its
/// receiver will need afterwards.
class snapshot_offers {
 public:
  struct offer {
    node_id peer;
    log_index index = 0;  // the copy must have reached it
    time_ms active_ms = 0;
    bool is_pulled = false;
  };

  snapshot_offers(std::uint64_t random_seed, std::uint32_t offers_max, std::uint32_t idle_ms_max)
      : state_(random_seed), offers_max_(offers_max), idle_ms_max_(idle_ms_max) {}

  /// A new offer; an older one to the same peer that was never pulled is forgotten, and beyond the limit the one that
  /// was idle longest.
  snapshot_id add(node_id peer, log_index index, time_ms now);
  /// A pull: null if it is unknown or another peer's.
  const offer* touch(snapshot_id id, node_id peer, time_ms now);
  [[nodiscard]] const offer* find(snapshot_id id) const;
  void close(snapshot_id id);
  /// The peer's log has come to `match`: what it does not need any more is closed.
  void note_match(node_id peer, log_index match);
  void expire(time_ms now);
  /// What was closed since the last call.
  std::vector<snapshot_id> take_closed() { return std::exchange(closed_, {}); }
  /// The smallest index that an open offer needs the log from; nothing if there is none.
  [[nodiscard]] std::optional<log_index> pinned() const;

 private:
  void erase(std::map<snapshot_id, offer>::iterator where);

  std::uint64_t state_;
  std::uint32_t offers_max_;
  std::uint32_t idle_ms_max_;
  std::map<snapshot_id, offer> offers_;
  std::vector<snapshot_id> closed_;
};

}  // namespace hive::replication
