#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "actors/interfaces.hpp"
#include "client/port.hpp"
#include "config/config.hpp"
#include "gate/tunnel.hpp"

namespace hive {

/// One connection that has said hello. Never changes; the next connection is another object.
struct link_session {
  std::uint64_t generation = 0;
  v1::HelloResponse hello;
  caf::strong_actor_ptr node;
  node_directory directory;
};
using link_session_ptr = std::shared_ptr<const link_session>;

/// Told when the link comes and goes, on the link's thread; must not block. May be told of the same session that
/// link::current() already showed.
class link_observer {
 public:
  virtual ~link_observer() = default;
  virtual void on_link_up(const link_session_ptr& session) = 0;
  virtual void on_link_down(const error& why) = 0;
};

/// Keeps one connection to a node: connects without blocking anyone else, says hello with the protocol version,
/// watches the node's actor, pings when nothing else is heard, and connects anew (50 to 800 ms apart) when it is
/// lost. All clients and workers of a process with the same endpoint share it. Thread-safe.
class link {
 public:
  /// Of the settings: endpoint and tls_*. What shares both shares a link.
  static result<std::shared_ptr<link>> open(const config::client_config& settings);

  /// `security`: how to make a TLS connection; none for a plain one.
  link(std::shared_ptr<runtime> shared, config::endpoint address, std::optional<gate::tunnel::options> security);
  ~link();
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  void observe(std::weak_ptr<link_observer> observer);
  /// nullptr: not connected.
  [[nodiscard]] link_session_ptr current() const;
  /// Why it is not connected. is_refused: trying again will not help (another protocol version).
  struct trouble {
    error why{errc::none, {}, {}};
    bool is_refused = false;
  };
  [[nodiscard]] trouble last_trouble() const;
  [[nodiscard]] const config::endpoint& address() const { return address_; }
  [[nodiscard]] runtime& shared() { return *runtime_; }
  [[nodiscard]] const std::shared_ptr<runtime>& shared_ptr() { return runtime_; }

  /// Drops the connection and connects anew.
  void reset(const error& why);

 private:
  void run();
  result<link_session_ptr> connect_and_greet();
  result<caf::strong_actor_ptr> hand_over(int socket);
  /// A plain socket for BASP: connected to the node, or to our end of a TLS connection to it.
  result<int> connect();
  /// A node that refuses our certificate, or wants one, only says so by ending the connection.
  [[nodiscard]] error explain(const error& failure) const;
  /// Blocks while the connection is good; answers why it ended.
  error watch(const link_session& session);
  /// A request of this thread; interrupted by stop and by a lost connection.
  result<caf::message> ask(const caf::strong_actor_ptr& to, caf::message content, std::chrono::milliseconds timeout);
  void close_socket();
  bool pause(std::chrono::milliseconds time);  // false: stopping
  void notify(const std::function<void(link_observer&)>& tell);
  void on_down(const caf::actor_addr& source);

  std::shared_ptr<runtime> runtime_;
  config::endpoint address_;
  std::optional<gate::tunnel::options> security_;
  std::unique_ptr<gate::tunnel> tunnel_;  // used by the link's thread only
  port port_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  link_session_ptr session_;
  caf::actor_addr watched_;
  std::optional<error> lost_;  // why the connection that is being watched has ended
  trouble trouble_;
  std::vector<std::weak_ptr<link_observer>> observers_;
  std::uint64_t generation_ = 0;
  int socket_ = -1;  // a duplicate: BASP owns the other one
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hive
