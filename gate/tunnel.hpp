#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.hpp"
#include "gate/relay.hpp"
#include "gate/tls_context.hpp"

namespace hive::gate {

/// The client's end of a TLS connection to a node: on one side the network, on the other a plain socket for CAF. One
/// thread moves the bytes until either side ends. Thread-safe.
class tunnel {
 public:
  struct options {
    tls_files files;
    std::string server_name;                   // the host name or address that the node's certificate must be for
    std::chrono::milliseconds timeout{3'000};  // of the handshake
    /// Of a frame from the node. A node's answers are bounded by its own limits; this is a backstop.
    std::uint32_t payload_bytes_max = 64U << 20U;
  };

  /// Whether the files can be used now, without a connection; open() reads them anew. As tls_context::load, and the
  /// error's field is the one to blame: certificate, key or authority.
  static result<void> check(const tls_files& files);

  /// Owns `socket`, a connected, non-blocking TCP socket. Waits at most `timeout`. unavailable if the node does not
  /// speak TLS or not in time; permission_denied if its certificate is not of our authority, not for `server_name`, or
  /// not a node's of our cluster; as tls_context::load for the files.
  static result<std::unique_ptr<tunnel>> open(int socket, const options& how);
  /// Ends the connection.
  ~tunnel();
  tunnel(const tunnel&) = delete;
  tunnel& operator=(const tunnel&) = delete;

  /// The plain socket, once: whoever takes it closes it.
  int take_socket();
  /// Why the network side has ended, as far as it said; empty while it is open or if our side ended it. A node says in
  /// this way that it refuses our certificate.
  [[nodiscard]] std::string ended_by_peer() const;

 private:
  tunnel(tls_stream stream, const options& how, plain_pair pair, int poll, int wake);
  void run();

  relay traffic_;
  int theirs_;
  int poll_;
  int wake_;
  mutable std::mutex mutex_;
  std::string ended_by_peer_;
  std::thread thread_;
};

}  // namespace hive::gate
