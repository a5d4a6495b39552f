#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gate/tls_context.hpp"
#include "tests/gate/frames.hpp"

namespace hive::gate::test {

/// Whatever may come over the network: a TCP connection, TLS on it if asked for, and no manners at all. It verifies
/// nothing. Reads and writes block for at most 20 s.
class raw_peer {
 public:
  explicit raw_peer(std::uint16_t port);
  ~raw_peer();
  raw_peer(const raw_peer&) = delete;
  raw_peer& operator=(const raw_peer&) = delete;

  /// False if the TLS handshake failed. `files`: nullptr for no certificate. `version_max`: of OpenSSL, 0 for the
  /// newest.
  bool shake(const tls_files* files, int version_max = 0);
  /// Over TLS once that was agreed upon. False if the connection is gone.
  bool send(const bytes& data);
  /// What comes, up to `count` bytes; fewer if the connection ends.
  bytes receive(std::size_t count);
  /// True if the other side ends the connection without a further byte.
  bool is_ended();
  [[nodiscard]] int socket() const { return socket_; }

 private:
  struct tls;
  int socket_ = -1;
  std::unique_ptr<tls> tls_;
};

/// Blocking, up to `count` bytes.
bytes read_plain(int socket, std::size_t count);
bool write_plain(int socket, const bytes& data);

}  // namespace hive::gate::test
