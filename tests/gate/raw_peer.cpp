#include "tests/gate/raw_peer.hpp"

#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

namespace hive::gate::test {

struct raw_peer::tls {
  SSL_CTX* context = nullptr;
  SSL* handle = nullptr;

  tls() : context(SSL_CTX_new(TLS_client_method())), handle(nullptr) {}
  ~tls() {
    SSL_free(handle);
    SSL_CTX_free(context);
  }
  tls(const tls&) = delete;
  tls& operator=(const tls&) = delete;
};

raw_peer::raw_peer(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

raw_peer::~raw_peer() {
  tls_.reset();
  ::close(socket_);
}

bool raw_peer::shake(const tls_files* files, int version_max) {
  tls_ = std::make_unique<tls>();
  if (version_max != 0) SSL_CTX_set_max_proto_version(tls_->context, version_max);
  if (files != nullptr) {
    REQUIRE(SSL_CTX_use_certificate_chain_file(tls_->context, files->certificate.c_str()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey_file(tls_->context, files->key.c_str(), SSL_FILETYPE_PEM) == 1);
  }
  tls_->handle = SSL_new(tls_->context);
  SSL_set_fd(tls_->handle, socket_);
  return SSL_connect(tls_->handle) == 1;
}

bool raw_peer::send(const bytes& data) {
  if (!tls_) return write_plain(socket_, data);
  return data.empty() || SSL_write(tls_->handle, data.data(), static_cast<int>(data.size())) > 0;
}

bytes raw_peer::receive(std::size_t count) {
  if (!tls_) return read_plain(socket_, count);
  bytes received(count);
  std::size_t at = 0;
  while (at < count) {
    const int got = SSL_read(tls_->handle, received.data() + at, static_cast<int>(count - at));
    if (got <= 0) break;
    at += static_cast<std::size_t>(got);
  }
  received.resize(at);
  return received;
}

bool raw_peer::is_ended() {
  errno = 0;
  return receive(1).empty() && errno != EAGAIN && errno != EWOULDBLOCK;
}

bytes read_plain(int socket, std::size_t count) {
  bytes received(count);
  std::size_t at = 0;
  while (at < count) {
    const ssize_t got = ::recv(socket, received.data() + at, count - at, 0);
    if (got <= 0) break;
    at += static_cast<std::size_t>(got);
  }
  received.resize(at);
  return received;
}

bool write_plain(int socket, const bytes& data) {
  for (std::size_t at = 0; at < data.size();) {
    const ssize_t sent = ::send(socket, data.data() + at, data.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace hive::gate::test
