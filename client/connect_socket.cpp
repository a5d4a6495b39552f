#include "client/connect_socket.hpp"

#include <cerrno>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hive {
namespace {

/// 0, or an errno. A plain ::connect can block for two minutes.
int connect_within(int socket, const addrinfo& address, std::chrono::milliseconds timeout) {
  if (::connect(socket, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{socket, POLLOUT, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(timeout.count()));
  if (ready == 0) return ETIMEDOUT;
  if (ready < 0) return errno;
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size);
  return failure;
}

void set_options(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Unacknowledged data ends the connection, not only missing heartbeats.
  const unsigned unacknowledged_ms_max = 5'000;
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms_max, sizeof unacknowledged_ms_max);
}

}  // namespace

result<int> connect_socket(const config::endpoint& address, std::chrono::milliseconds timeout) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int code = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found); code != 0)
    return error{errc::unavailable, "cannot resolve " + address.host + ": " + ::gai_strerror(code), {}};
  int failure = EHOSTUNREACH;
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int socket = ::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) {
      failure = errno;
      continue;
    }
    failure = connect_within(socket, *one, timeout);
    if (failure == 0) {
      set_options(socket);
      ::freeaddrinfo(found);
      return socket;
    }
    ::close(socket);
  }
  ::freeaddrinfo(found);
  return error{errc::unavailable, std::strerror(failure), {}};
}

}  // namespace hive
