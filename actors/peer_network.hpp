#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hive/v1/replication.pb.h"

namespace hive {

/// How the replicator reaches the other nodes. Each direction between two nodes is a connection of its own, made by
/// the one that sends: the network keeps one to every peer it was told of, says PeerHello over it, tells the replicator
/// peer_up with the session that the peer named, and peer_down when it is lost. Messages to a peer that is not up are
/// dropped: Raft repeats them. Thread-safe.
class peer_network {
 public:
  struct peer {
    std::uint64_t node_id = 0;
    std::string endpoint;       // HOST:PORT
    std::uint64_t lineage = 0;  // of this node's log, for PeerHello

    friend bool operator==(const peer&, const peer&) = default;
  };

  virtual ~peer_network() = default;

  /// Whom to keep connections to, this node left out. Others are closed; a peer whose endpoint or our lineage has
  /// changed gets a new one. Does not block.
  virtual void reach(std::vector<peer> peers) = 0;
  /// In order for each peer. Does not block.
  virtual void send(std::uint64_t to, v1::PeerMessage message) = 0;
};

}  // namespace hive
