#pragma once

#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <caf/actor_control_block.hpp>

#include "actors/peer_network.hpp"
#include "cluster/peer_link.hpp"
#include "gate/tls_context.hpp"
#include "hive/v1/replication.pb.h"

namespace hive::cluster {

struct peer_links_options {
  /// What this node says of itself. receiver_id is set for each peer.
  v1::PeerHelloRequest hello;
  /// The node's own certificate, key and authority: peers must be nodes of the same authority, and have the host of
  /// their endpoint in their certificate. The files are read anew for each connection. Nothing: plain connections.
  std::optional<gate::tls_files> security;
};

/// The connections that this node makes, over the client library and its CAF system of its own: BASP keeps one route to
/// a process, so the connection that the peer makes to us must not be known to the same system. Thread-safe.
class peer_links final : public peer_network {
 public:
  explicit peer_links(peer_links_options options);
  ~peer_links() override;
  peer_links(const peer_links&) = delete;
  peer_links& operator=(const peer_links&) = delete;

  /// Who is told peer_up and peer_down from now on (of peers that are up already: at once); null: nobody. Peers that
  /// are not of `reach` any more are told down first.
  void report_to(caf::strong_actor_ptr listener);
  void reach(std::vector<peer> peers) override;
  void send(std::uint64_t to, v1::PeerMessage message) override;
  /// Ends all connections and reports to nobody any more. Waits for connects under way, at most some seconds.
  void close();

 private:
  struct slot {
    std::shared_ptr<peer_link> direction;
    std::shared_ptr<link> connection;
  };
  [[nodiscard]] std::optional<slot> open(const peer& to) const;
  void retire(slot old);

  const peer_links_options options_;
  const std::shared_ptr<runtime> runtime_;
  mutable std::mutex mutex_;
  caf::strong_actor_ptr listener_;
  std::map<std::uint64_t, slot> slots_;
  std::vector<std::future<void>> endings_;  // of links: they may be waiting for a connect
  bool is_closed_ = false;
};

}  // namespace hive::cluster
