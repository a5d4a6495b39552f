#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include <caf/actor_control_block.hpp>

#include "actors/peer_network.hpp"
#include "client/link.hpp"
#include "client/port.hpp"
#include "config/repeated_line.hpp"
#include "hive/v1/replication.pb.h"

namespace hive::cluster {

/// One direction to one peer: observes the link to it, says PeerHello over each new connection until the peer has named
/// a session, and passes messages on from then until the connection is lost. Thread-safe.
class peer_link final : public link_observer, public std::enable_shared_from_this<peer_link> {
 public:
  /// `hello`: complete, for this peer.
  peer_link(std::shared_ptr<runtime> shared, peer_network::peer to, v1::PeerHelloRequest hello,
            caf::strong_actor_ptr listener);

  void on_link_up(const link_session_ptr& session) override;
  void on_link_down(const error& why) override;

  /// Who is told peer_up and peer_down from now on; null: nobody. If the peer is up it is told so at once.
  void report_to(caf::strong_actor_ptr listener);
  /// Does not block; in the order of the calls. Dropped when the peer is not up.
  void send(v1::PeerMessage message);
  /// Tells peer_down if it was up, and nothing after that.
  void close();
  [[nodiscard]] const peer_network::peer& to() const { return to_; }

 private:
  void greet(const link_session_ptr& session);
  void on_greeted(const link_session_ptr& session, const result<caf::message>& reply);
  void on_refused(const link_session_ptr& session, const error& why);
  // With the lock held, so that what the listener hears is in order.
  void tell_up();
  void tell_down();
  void tell_trouble(const error& why);

  const std::shared_ptr<runtime> runtime_;
  const peer_network::peer to_;
  const v1::PeerHelloRequest hello_;
  std::mutex mutex_;
  caf::strong_actor_ptr listener_;
  link_session_ptr link_session_;   // null: no connection
  std::uint64_t newest_ = 0;        // generation of the newest one seen
  caf::strong_actor_ptr receiver_;  // null: the peer has not named a session
  std::uint64_t session_ = 0;
  std::chrono::milliseconds backoff_;
  config::repeated_line trouble_;
  bool is_closed_ = false;
  port port_;  // last: its callbacks use the others
};

}  // namespace hive::cluster
