#include "gate/acceptor.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/acceptor_loop.hpp"

namespace hive::gate {
namespace {

constexpr int backlog = 1'024;

/// 0, or an errno.
int bind_and_listen(int socket, const addrinfo& address) {
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // [::] takes IPv4 too.
  if (address.ai_family == AF_INET6) ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket, address.ai_addr, address.ai_addrlen) != 0) return errno;
  return ::listen(socket, backlog) == 0 ? 0 : errno;
}

result<int> open_listener(const config::endpoint& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found); code != 0)
    return error{errc::unavailable, "cannot resolve " + where.host + ": " + ::gai_strerror(code), "node.listen"};
  int failure = EADDRNOTAVAIL;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int socket = ::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) {
      failure = errno;
      continue;
    }
    failure = bind_and_listen(socket, *one);
    if (failure == 0) {
      ::freeaddrinfo(found);
      return socket;
    }
    ::close(socket);
  }
  ::freeaddrinfo(found);
  return error{errc::unavailable, "cannot listen on " + config::to_string(where) + ": " + std::strerror(failure),
               "node.listen"};
}

std::uint16_t port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

result<std::unique_ptr<acceptor>> acceptor::start(acceptor_options options) {
  auto context = tls_context::load(options.files, tls_end::server);
  if (!context) return context.failure();
  auto listener = open_listener(options.listen);
  if (!listener) return listener.failure();
  auto loop = acceptor_loop::make(std::move(options), std::move(*context), *listener);
  if (!loop) return loop.failure();
  return std::unique_ptr<acceptor>(new acceptor(std::move(*loop), port_of(*listener)));
}

acceptor::acceptor(std::unique_ptr<acceptor_loop> loop, std::uint16_t port)
    : loop_(std::move(loop)), port_(port), thread_([this] { loop_->run(); }) {}

acceptor::~acceptor() {
  loop_->order(acceptor_loop::order_stop);
  thread_.join();
}

void acceptor::reload() { loop_->order(acceptor_loop::order_reload); }

void acceptor::stop_accepting() { loop_->order(acceptor_loop::order_close_listener); }

}  // namespace hive::gate
