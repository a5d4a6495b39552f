#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/result.hpp"
#include "config/config.hpp"
#include "gate/access_rules.hpp"
#include "gate/basp_format.hpp"
#include "gate/identity.hpp"
#include "gate/refusal.hpp"
#include "gate/tls_context.hpp"

namespace hive::gate {

/// Told what the gate does, on the gate's thread; must not block.
class gate_observer {
 public:
  virtual ~gate_observer() = default;
  /// A connection has shown a good certificate and has been handed to BASP.
  virtual void on_joined(const identity& who) = 0;
  /// A connection was ended, or a message taken out of one, for a reason (never refusal::none).
  virtual void on_refused(refusal reason) = 0;
  /// Connections open now: those handed to BASP, and those that have not come so far.
  virtual void on_connections(std::size_t joined, std::size_t pending) = 0;
};

struct acceptor_limits {
  /// With a good certificate. Each may make BASP hold one frame of payload_bytes_max.
  std::uint32_t connections_max = 1'024;
  /// Without one yet. Beyond it the oldest goes, so that those who do shake hands still get in.
  std::uint32_t pending_max = 4'096;
  /// From the accept to the peer's first frame.
  std::chrono::milliseconds handshake{5'000};
  /// Without a byte from the peer; BASP's heartbeats come every 500 ms.
  std::chrono::milliseconds idle{10'000};
  /// With bytes for the peer of which it takes none.
  std::chrono::milliseconds not_reading{10'000};
  /// From a frame's first byte to its last.
  std::chrono::milliseconds frame{30'000};
  std::uint32_t payload_bytes_max = 2U << 20U;
  /// Payloads above 64 KiB under way on all connections together.
  std::uint64_t large_frames_bytes_max = 512ULL << 20U;
};

struct acceptor_options {
  config::endpoint listen;
  tls_files files;
  acceptor_limits limits;
  std::shared_ptr<const access_rules> rules;
  basp::node_key own_id{};
  /// Hands a plain, connected stream socket to BASP, which owns it from then on. On the gate's thread; must not block.
  std::function<result<void>(int socket)> join;
  gate_observer* observer = nullptr;  // outlives the acceptor; may be null
};

class acceptor_loop;

/// The TLS listener in front of BASP: one thread, an epoll loop in which nothing waits. Each connection passes TLS with
/// a client certificate of our authority, the check of the certificate's name, and the frame check, before BASP sees a
/// byte of it. All limits are in acceptor_limits; what ends for a reason is logged (a bounded number of lines) and
/// counted.
class acceptor {
 public:
  /// Binds and starts. unavailable if the address cannot be bound; as tls_context::load for the files.
  static result<std::unique_ptr<acceptor>> start(acceptor_options options);
  /// Ends all connections.
  ~acceptor();
  acceptor(const acceptor&) = delete;
  acceptor& operator=(const acceptor&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// New connections use the files as they are now. Files that changed are also found without being told, within
  /// seconds. If they cannot be used the old ones stay in use and the reason is logged. Any thread.
  void reload();
  /// No new connections; those that are open go on. Any thread.
  void stop_accepting();

 private:
  acceptor(std::unique_ptr<acceptor_loop> loop, std::uint16_t port);

  std::unique_ptr<acceptor_loop> loop_;
  std::uint16_t port_;
  std::thread thread_;
};

}  // namespace hive::gate
