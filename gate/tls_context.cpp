#include "gate/tls_context.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace hive::gate {
namespace {

constexpr const char* tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr int chain_depth_max = 4;
/// Of the peer's chain: ours are about 1 KiB.
constexpr long peer_chain_bytes_max = 32 << 10;

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

result<void> check_readable(const std::string& path, const std::string& what) {
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    const bool is_missing = errno == ENOENT;
    return error{is_missing ? errc::not_found : errc::unavailable,
                 "cannot read the " + what + " " + path + ": " + std::strerror(errno),
                 {}};
  }
  std::fclose(file);
  return {};
}

error unusable(const std::string& what, const std::string& path) {
  return {errc::invalid_argument, "the " + what + " " + path + " cannot be used: " + openssl_reason(), {}};
}

/// No pass phrase can be asked for.
int no_pass_phrase(char*, int, int, void*) { return 0; }

}  // namespace

bool is_open_to_others(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

result<std::shared_ptr<const tls_context>> tls_context::load(const tls_files& files, tls_end end) {
  ERR_clear_error();
  SSL_CTX* const handle = SSL_CTX_new(end == tls_end::server ? TLS_server_method() : TLS_client_method());
  if (handle == nullptr) return error{errc::internal, "TLS is not available: " + openssl_reason(), {}};
  std::shared_ptr<tls_context> made(new tls_context(handle, end));
  if (auto read = made->read(files); !read) return read.failure();
  if (auto checked = made->check_own(files); !checked) return checked.failure();
  return std::shared_ptr<const tls_context>(std::move(made));
}

tls_context::~tls_context() { SSL_CTX_free(handle_); }

result<void> tls_context::read(const tls_files& files) {
  SSL_CTX_set_min_proto_version(handle_, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(handle_, tls12_ciphers);
  SSL_CTX_set_options(handle_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(handle_, 0);
  SSL_CTX_set_session_cache_mode(handle_, SSL_SESS_CACHE_OFF);
  // A buffer may move while it waits, a connection that rests holds none.
  SSL_CTX_set_mode(handle_,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(handle_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(handle_, chain_depth_max);
  SSL_CTX_set_max_cert_list(handle_, peer_chain_bytes_max);
  SSL_CTX_set_default_passwd_cb(handle_, no_pass_phrase);

  if (auto readable = check_readable(files.certificate, "certificate"); !readable) return readable;
  if (auto readable = check_readable(files.key, "key"); !readable) return readable;
  if (auto readable = check_readable(files.authority, "authority"); !readable) return readable;
  if (SSL_CTX_use_certificate_chain_file(handle_, files.certificate.c_str()) != 1)
    return unusable("certificate", files.certificate);
  // Also says whether it is the certificate's.
  if (SSL_CTX_use_PrivateKey_file(handle_, files.key.c_str(), SSL_FILETYPE_PEM) != 1) return unusable("key", files.key);
  if (SSL_CTX_load_verify_locations(handle_, files.authority.c_str(), nullptr) != 1)
    return unusable("authority", files.authority);
  if (end_ == tls_end::server) {
    auto* const names = SSL_load_client_CA_file(files.authority.c_str());
    if (names == nullptr) return unusable("authority", files.authority);
    SSL_CTX_set_client_CA_list(handle_, names);  // takes it over
  }
  return {};
}

result<void> tls_context::check_own(const tls_files& files) {
  X509* const certificate = SSL_CTX_get0_certificate(handle_);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(handle_, &chain);
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check(X509_STORE_CTX_new(),
                                                                              &X509_STORE_CTX_free);
  if (!check || X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(handle_), certificate, chain) != 1)
    return error{errc::internal, "cannot check the certificate: " + openssl_reason(), {}};
  X509_STORE_CTX_set_purpose(check.get(), end_ == tls_end::server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  if (X509_verify_cert(check.get()) != 1) {
    const std::string why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()));
    return error{
        errc::invalid_argument,
        "the certificate " + files.certificate + " does not hold against the authority " + files.authority + ": " + why,
        {}};
  }
  auto own = identity_of(*certificate);
  if (!own)
    return error{errc::invalid_argument, "the certificate " + files.certificate + ": " + own.failure().message, {}};
  own_ = std::move(*own);
  if (end_ == tls_end::server && !own_.roles.has_any_of(role::node))
    return error{errc::invalid_argument,
                 "the certificate " + files.certificate + " is for " + own_.text() + ", a node needs the role node",
                 {}};
  return {};
}

}  // namespace hive::gate
