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
#include "client/endpoint_search.hpp"
#include "client/port.hpp"
#include "config/config.hpp"
#include "gate/tunnel.hpp"

namespace hive {

/// One connection that has said hello. Never changes; the next connection is another object.
struct link_session {
  std::uint64_t generation = 0;
  std::string endpoint;  // of the node
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

/// Which node a link is for.
enum class link_aim : std::uint8_t {
  leader,     // the one that takes changes; moves when another becomes it
  any,        // the first that answers, as long as it does
  this_node,  // the one with the endpoint given, whatever its role
};

/// Keeps one connection to a node: connects without blocking anyone else, says hello with the protocol version,
/// watches the node's actor, pings when nothing else is heard, and connects anew when it is lost. Of a cluster it finds
/// the node it is for: it tries the endpoints in turn (endpoint_search), learns the others from what nodes say of their
/// leader, and goes where they point. A node that knows of no leader is pinged every 100 ms until it does, for 2 s. All
/// clients and workers of a process with the same endpoints and aim share it. Thread-safe.
class link {
 public:
  struct options {
    std::vector<config::endpoint> endpoints;  // at least one
    link_aim aim = link_aim::leader;
    /// How to make a TLS connection; none for a plain one. An empty server_name: the host that is connected to.
    std::optional<gate::tunnel::options> security;
  };

  /// Of the settings: endpoint, prefer and tls_*. What shares all of them shares a link. invalid_argument with the
  /// setting as field; also, and not_found, for certificate files that cannot be used now. They are read anew for each
  /// connection, and may be replaced.
  static result<std::shared_ptr<link>> open(const config::client_config& settings);

  /// The last reference may be dropped on any thread: the end waits for what the link is about to do (seconds), but not
  /// on a thread that others wait for.
  static std::shared_ptr<link> make(std::shared_ptr<runtime> shared, options how);
  link(std::shared_ptr<runtime> shared, options how);
  /// To this node, whatever its role.
  link(std::shared_ptr<runtime> shared, config::endpoint address, std::optional<gate::tunnel::options> security)
      : link(std::move(shared), options{{std::move(address)}, link_aim::this_node, std::move(security)}) {}
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
  /// What was configured, for messages: "a:7117,b:7117".
  [[nodiscard]] const std::string& endpoints() const { return endpoints_; }
  [[nodiscard]] link_aim aim() const { return how_.aim; }
  [[nodiscard]] runtime& shared() { return *runtime_; }
  [[nodiscard]] const std::shared_ptr<runtime>& shared_ptr() { return runtime_; }

  /// Drops the connection and connects anew.
  void reset(const error& why);
  /// The node of that session refused something with not_leader, and named this leader (empty: it knows none). A link
  /// that is for the leader has no session from now on until it has found it; others stay.
  void on_not_leader(std::uint64_t generation, const std::string& leader);

 private:
  void run();
  result<std::shared_ptr<link_session>> connect_and_greet(const endpoint_search::step& step);
  result<caf::strong_actor_ptr> hand_over(int socket, std::uint16_t port, std::chrono::milliseconds timeout);
  /// A plain socket for BASP: connected to the node, or to our end of a TLS connection to it.
  result<int> connect(const config::endpoint& to, std::chrono::milliseconds timeout);
  /// Blocks while there is something to be had from the node.
  void use(const link_session& greeted, const config::endpoint& at);
  [[nodiscard]] bool is_aimed_at(const v1::Leadership& told) const;
  /// The node is what the link is for: shows the session until it ends. Answers what the node said if that is why.
  std::optional<v1::Leadership> serve(const link_session& greeted, const config::endpoint& at,
                                      const v1::Leadership& told);
  /// Pings a node that does not lead until it says something else; nothing if it is not worth waiting any longer.
  /// `interval`: until the first ping; grows with each.
  std::optional<v1::Leadership> await_news(const link_session& greeted, const v1::Leadership& told,
                                           std::chrono::milliseconds& interval);
  void fail_connecting(const config::endpoint& to, const error& failure);
  /// A node that refuses our certificate, or wants one, only says so by ending the connection.
  [[nodiscard]] error explain(const error& failure) const;
  /// Blocks while the session is good; answers why it ended, and what the node said of its leader if that is why.
  std::pair<error, std::optional<v1::Leadership>> watch(const link_session& session);
  /// A request of this thread; interrupted by stop and by a lost connection.
  result<caf::message> ask(const caf::strong_actor_ptr& to, caf::message content, std::chrono::milliseconds timeout);
  void close_socket();
  bool pause(std::chrono::milliseconds time);  // false: stopping
  void notify(const std::function<void(link_observer&)>& tell);
  void on_down(const caf::actor_addr& source);

  std::shared_ptr<runtime> runtime_;
  const options how_;
  const std::string endpoints_;
  endpoint_search search_;                // used by the link's thread only
  std::unique_ptr<gate::tunnel> tunnel_;  // used by the link's thread only
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  link_session_ptr session_;
  caf::actor_addr watched_;
  std::optional<error> lost_;           // why the connection that is being watched has ended
  std::optional<v1::Leadership> told_;  // by the node of the session, not looked at yet
  trouble trouble_;
  std::vector<std::weak_ptr<link_observer>> observers_;
  std::uint64_t generation_ = 0;
  int socket_ = -1;  // a duplicate: BASP owns the other one
  bool stopping_ = false;
  port port_;  // its callbacks use the others
  std::thread thread_;
};

}  // namespace hive
