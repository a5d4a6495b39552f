#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"
#include "gate/identity.hpp"
#include "gate/refusal.hpp"
#include "gate/tls_context.hpp"

struct ssl_st;  // OpenSSL's SSL

namespace hive::gate {

/// TLS over a non-blocking socket that it owns. Nothing here waits. Not thread-safe.
class tls_stream {
 public:
  enum class progress : std::uint8_t {
    done,
    blocked,  // until the socket is readable or writable
    closed,   // the peer ended it in good order
    failed    // see failure()
  };
  struct moved {
    progress state = progress::blocked;
    std::size_t bytes = 0;
  };

  /// The end of `context` decides who speaks first. `server_name` (client only): host name or address that the server's
  /// certificate must be for.
  static result<tls_stream> make(const std::shared_ptr<const tls_context>& context, int socket,
                                 const std::string& server_name = {});
  tls_stream(tls_stream&& other) noexcept;
  tls_stream& operator=(tls_stream&& other) noexcept;
  ~tls_stream();

  [[nodiscard]] int socket() const { return socket_; }
  /// Until it is no longer `blocked`. Both sides have verified the other's certificate when it is done; with TLS 1.3 a
  /// client learns only at its first read that the server did not like its certificate.
  progress handshake();
  moved read(std::span<std::uint8_t> into);
  moved write(std::span<const std::uint8_t> from);
  /// Tells the peer that nothing more comes. Does not wait.
  void say_goodbye();

  /// Why it failed.
  [[nodiscard]] const ending& failure() const { return failure_; }
  /// After the handshake: who the peer is, and that it is of our cluster. A server must be a node.
  [[nodiscard]] result<identity> peer() const;
  /// The subject of the peer's certificate, as far as one was seen.
  [[nodiscard]] const std::string& peer_subject() const { return *subject_; }

 private:
  tls_stream(std::shared_ptr<const tls_context> context, ssl_st* handle, int socket);
  progress judge(int outcome);
  void note_failure(int code);

  std::shared_ptr<const tls_context> context_;
  ssl_st* handle_ = nullptr;
  int socket_ = -1;
  std::unique_ptr<std::string> subject_;  // OpenSSL's callback writes to it
  ending failure_;
};

}  // namespace hive::gate
