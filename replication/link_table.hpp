#pragma once

#include <map>

#include "replication/peer_message.hpp"

namespace hive::replication {

/// The connections to the peers. Raft copes with lost and doubled messages; libraft wants them in order, and
/// nobody copes with an acknowledgement from before its sender was emptied. So each direction of a connection has a
/// session number that the receiver chose and told the sender when it was made; what carries another one is discarded.
class link_table {
 public:
  /// Messages are numbered from `base` on.
  explicit link_table(std::uint64_t base = 0) : base_(base) {}

  /// A connection is up. `inbound`: what we told the peer and expect; `outbound`: what it told us. Replaces an earlier
  /// one; a direction whose session stays is counted on.
  void open(node_id peer, std::uint64_t inbound, std::uint64_t outbound) {
    link made{inbound, outbound, base_, 0};
    if (const auto found = links_.find(peer); found != links_.end()) {
      if (found->second.outbound == outbound) made.sent = found->second.sent;
      if (found->second.inbound == inbound) made.received = found->second.received;
    }
    links_[peer] = made;
  }
  void close(node_id peer) { links_.erase(peer); }
  [[nodiscard]] bool is_open(node_id peer) const { return links_.contains(peer); }

  /// False: drop the message, there is no connection. Else it is stamped.
  bool stamp(node_id to, peer_message& message) {
    const auto found = links_.find(to);
    if (found == links_.end()) return false;
    message.session = found->second.outbound;
    message.sequence = ++found->second.sent;
    return true;
  }

  /// False: an old or repeated message.
  bool accept(node_id from, const peer_message& message) {
    const auto found = links_.find(from);
    if (found == links_.end() || message.session != found->second.inbound) return false;
    if (message.sequence <= found->second.received) return false;
    found->second.received = message.sequence;
    return true;
  }

 private:
  struct link {
    std::uint64_t inbound = 0;
    std::uint64_t outbound = 0;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
  };
  std::uint64_t base_;
  std::map<node_id, link> links_;
};

}  // namespace hive::replication
