#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "gate/acceptor.hpp"
#include "gate/file_watch.hpp"
#include "gate/log_limit.hpp"
#include "gate/relay.hpp"

namespace hive::gate {

/// The thread behind acceptor. Only order() may be called from others.
class acceptor_loop {
 public:
  using clock = std::chrono::steady_clock;

  static constexpr std::uint32_t order_stop = 1;
  static constexpr std::uint32_t order_reload = 2;
  static constexpr std::uint32_t order_close_listener = 4;

  /// Owns the listener from now on.
  static result<std::unique_ptr<acceptor_loop>> make(acceptor_options options,
                                                     std::shared_ptr<const tls_context> context, int listener);
  ~acceptor_loop();
  acceptor_loop(const acceptor_loop&) = delete;
  acceptor_loop& operator=(const acceptor_loop&) = delete;

  void run();
  void order(std::uint32_t what);

 private:
  enum class stage : std::uint8_t {
    silent,    // has said nothing; holds no TLS yet
    shaking,   // TLS handshake
    greeting,  // has a good certificate; its first frame has not come
    joined     // BASP has it
  };
  using connection_id = std::uint64_t;

  struct connection {
    connection_id id = 0;
    stage where = stage::silent;
    int socket = -1;  // while silent; then the stream owns it
    std::string address;
    clock::time_point deadline;          // until it is joined
    std::unique_ptr<tls_stream> stream;  // while shaking
    std::unique_ptr<relay> traffic;      // after that
    identity who;
    std::string subject;
    std::optional<basp::node_key> claimed;
    bool is_queued = false;
    std::uint32_t large_bytes = 0;
    // What the last sweep saw, and since when it has been so.
    struct {
      std::uint64_t received = 0, sent = 0, frames = 0;
      clock::time_point received_at, sent_at, frame_at;
    } seen;
  };

  acceptor_loop(acceptor_options options, std::shared_ptr<const tls_context> context, int listener, int poll, int wake);

  // The loop.
  void wait_and_dispatch();
  void on_orders();
  void work_queues();
  void finish_all();
  [[nodiscard]] int wait_ms() const;
  connection* find(connection_id id);
  bool watch(int socket, std::uint64_t key, std::uint32_t events, int operation) const;
  void set_listening(bool is_listening);

  // The life of a connection.
  void accept_some();
  void on_accept_failure(int reason);
  void add(int socket, std::string address);
  void on_event(connection& one);
  void on_first_byte(connection& one);
  void shake(connection& one);
  void admit(connection& one);
  void step(connection& one);
  bool join(connection& one);
  void deny(connection& one, const denied_message& denied);
  bool is_within_budget(connection& one);
  void enqueue(connection& one);
  void end(connection& one, const ending& why);
  void forget(connection& one);

  // Now and then.
  void sweep();
  [[nodiscard]] ending find_overdue(connection& one, clock::time_point now) const;
  void load_files();
  void report_connections();
  [[nodiscard]] bool may_log();

  acceptor_options options_;
  std::shared_ptr<const tls_context> context_;
  int listener_;
  int poll_;
  int wake_;
  std::atomic<std::uint32_t> orders_{0};
  bool is_stopping_ = false;
  bool is_listening_ = true;
  connection_id next_id_;
  std::map<connection_id, connection> connections_;
  std::set<connection_id> pending_;  // in the order of their coming
  std::size_t admitted_ = 0;         // greeting or joined
  std::deque<connection_id> shaking_;
  std::deque<connection_id> busy_;
  struct claim {
    std::string holder;
    std::size_t connections = 0;
  };
  std::map<basp::node_key, claim> claims_;  // which certificate a process came with
  std::uint64_t large_bytes_ = 0;
  clock::time_point now_;
  clock::time_point next_sweep_;
  file_watch files_;
  log_limit log_limit_;
};

}  // namespace hive::gate
