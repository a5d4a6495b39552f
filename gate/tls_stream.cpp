#include "gate/tls_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "gate/socket_bio.hpp"

namespace hive::gate {
namespace {

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

refusal reason_of_verify(long verdict) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return refusal::expired_certificate;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_CERT_UNTRUSTED:
      return refusal::unknown_authority;
    default:
      return refusal::bad_certificate;
  }
}

refusal reason_of_library(int reason) {
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return refusal::no_certificate;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
      return refusal::plain_client;
    default:
      return refusal::handshake_failed;
  }
}

/// A certificate that does not hold is not kept by OpenSSL, but the log should name it.
int note_subject(int is_good, X509_STORE_CTX* check) {
  auto* const handle = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const subject = handle == nullptr ? nullptr : static_cast<std::string*>(SSL_get_app_data(handle));
  const X509* const certificate = X509_STORE_CTX_get0_cert(check);
  if (subject != nullptr && certificate != nullptr && subject->empty()) *subject = subject_of(*certificate);
  return is_good;
}

int capped(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

}  // namespace

result<tls_stream> tls_stream::make(const std::shared_ptr<const tls_context>& context, int socket,
                                    const std::string& server_name) {
  ERR_clear_error();
  ssl_st* const handle = SSL_new(context->handle());
  BIO* const bio = handle == nullptr ? nullptr : make_socket_bio(socket);
  if (bio == nullptr) {
    SSL_free(handle);
    ::close(socket);
    return error{errc::resource_exhausted, "no memory for a TLS connection", {}};
  }
  SSL_set_bio(handle, bio, bio);  // takes it over
  tls_stream made(context, handle, socket);
  if (context->end() == tls_end::server) {
    SSL_set_accept_state(handle);
    return made;
  }
  SSL_set_connect_state(handle);
  const bool is_set = is_address(server_name)
                          ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), server_name.c_str()) == 1
                          : SSL_set1_host(handle, server_name.c_str()) == 1 &&
                                SSL_set_tlsext_host_name(handle, server_name.c_str()) == 1;
  if (server_name.empty() || !is_set)
    return error{errc::invalid_argument, "\"" + server_name + "\" is no name that a certificate could be for", {}};
  return made;
}

tls_stream::tls_stream(std::shared_ptr<const tls_context> context, ssl_st* handle, int socket)
    : context_(std::move(context)), handle_(handle), socket_(socket), subject_(std::make_unique<std::string>()) {
  SSL_set_app_data(handle_, subject_.get());
  SSL_set_verify(handle_, SSL_get_verify_mode(handle_), note_subject);
}

tls_stream::tls_stream(tls_stream&& other) noexcept
    : context_(std::move(other.context_)),
      handle_(std::exchange(other.handle_, nullptr)),
      socket_(std::exchange(other.socket_, -1)),
      subject_(std::move(other.subject_)),
      failure_(std::move(other.failure_)) {}

tls_stream& tls_stream::operator=(tls_stream&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(handle_, other.handle_);
  std::swap(socket_, other.socket_);
  std::swap(subject_, other.subject_);
  std::swap(failure_, other.failure_);
  return *this;
}

tls_stream::~tls_stream() {
  SSL_free(handle_);
  if (socket_ >= 0) ::close(socket_);
}

tls_stream::progress tls_stream::handshake() {
  ERR_clear_error();
  return judge(SSL_do_handshake(handle_));
}

tls_stream::moved tls_stream::read(std::span<std::uint8_t> into) {
  ERR_clear_error();
  const int count = SSL_read(handle_, into.data(), capped(into.size()));
  if (count > 0) return {progress::done, static_cast<std::size_t>(count)};
  return {judge(count), 0};
}

tls_stream::moved tls_stream::write(std::span<const std::uint8_t> from) {
  ERR_clear_error();
  const int count = SSL_write(handle_, from.data(), capped(from.size()));
  if (count > 0) return {progress::done, static_cast<std::size_t>(count)};
  return {judge(count), 0};
}

void tls_stream::say_goodbye() {
  // After a failure OpenSSL must not be asked for more.
  if (handle_ == nullptr || failure_.reason != refusal::none || SSL_is_init_finished(handle_) == 0) return;
  ERR_clear_error();
  SSL_shutdown(handle_);
}

tls_stream::progress tls_stream::judge(int outcome) {
  if (outcome > 0) return progress::done;
  const int code = SSL_get_error(handle_, outcome);
  switch (code) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return progress::blocked;
    case SSL_ERROR_ZERO_RETURN:
      return progress::closed;
    default:
      note_failure(code);
      return progress::failed;
  }
}

void tls_stream::note_failure(int code) {
  const unsigned long queued = ERR_peek_error();
  const bool is_in_handshake = SSL_is_init_finished(handle_) == 0;
  failure_.reason = refusal::handshake_failed;
  if (code == SSL_ERROR_SYSCALL && queued == 0) {
    failure_.detail = errno == 0 ? "the peer closed the connection" : std::strerror(errno);
    return;
  }
  const int reason = ERR_GET_REASON(queued);
  const char* const text = ERR_reason_error_string(queued);
  failure_.detail = text == nullptr ? "error " + std::to_string(queued) : text;
  if (ERR_GET_LIB(queued) != ERR_LIB_SSL) return;
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    failure_.detail = "the peer closed the connection";
    return;
  }
  const long verdict = SSL_get_verify_result(handle_);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
    failure_.reason = reason_of_verify(verdict);
    failure_.detail = X509_verify_cert_error_string(verdict);
  } else if (is_in_handshake) {
    failure_.reason = reason_of_library(reason);
  }
}

result<identity> tls_stream::peer() const {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(handle_), &X509_free);
  if (!certificate || SSL_get_verify_result(handle_) != X509_V_OK)
    return error{errc::permission_denied, "it has no certificate", {}};
  auto who = identity_of(*certificate);
  if (!who) return error{errc::permission_denied, who.failure().message, {}};
  if (who->cluster != context_->own().cluster)
    return error{errc::permission_denied, "it is for cluster " + who->cluster + ", not " + context_->own().cluster, {}};
  if (context_->end() == tls_end::client && !who->roles.has_any_of(role::node))
    return error{errc::permission_denied, "it is for " + who->text() + ", not for a node", {}};
  return who;
}

}  // namespace hive::gate
