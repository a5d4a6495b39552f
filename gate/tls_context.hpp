#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "gate/identity.hpp"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace hive::gate {

/// Three PEM files. `authority` may hold several certificates: while it is replaced, the old and the new one.
struct tls_files {
  std::string certificate;
  std::string key;
  std::string authority;

  friend bool operator==(const tls_files&, const tls_files&) = default;
};

enum class tls_end : std::uint8_t { server, client };

/// What new connections are made with: files that were read and found to fit together. Immutable, thread-safe.
/// TLS 1.2 (forward secrecy and AEAD only) or 1.3; the other side must show a certificate of our authority; no session
/// tickets, so that every connection is checked anew; no renegotiation; no compression.
class tls_context {
 public:
  /// not_found or unavailable for a file that cannot be read; invalid_argument, with the file named, for one that holds
  /// nothing usable, for a key that is not the certificate's, for a certificate that is not of the authority, has
  /// expired, names no role, or (`server`) not the role node.
  static result<std::shared_ptr<const tls_context>> load(const tls_files& files, tls_end end);

  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  [[nodiscard]] const identity& own() const { return own_; }
  [[nodiscard]] tls_end end() const { return end_; }
  /// For tls_stream.
  [[nodiscard]] ssl_ctx_st* handle() const { return handle_; }

 private:
  tls_context(ssl_ctx_st* handle, tls_end end) : handle_(handle), end_(end) {}
  result<void> read(const tls_files& files);
  result<void> check_own(const tls_files& files);

  ssl_ctx_st* handle_;
  tls_end end_;
  identity own_;
};

/// True if others than the owner may read or write the file: a private key must not be such.
bool is_open_to_others(const std::string& path);

}  // namespace hive::gate
