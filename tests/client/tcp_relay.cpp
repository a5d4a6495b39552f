#include "tests/client/tcp_relay.hpp"

#include <array>
#include <stdexcept>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hive::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void no_delay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// False at the end of the stream.
bool pass(int from, int to) {
  std::array<char, 65536> buffer{};
  const auto size = ::recv(from, buffer.data(), buffer.size(), 0);
  if (size <= 0) return false;
  return ::send(to, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace

tcp_relay::tcp_relay(std::uint16_t target_port) : target_port_(target_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 16) != 0)
    throw std::runtime_error("cannot listen");
  socklen_t size = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

tcp_relay::~tcp_relay() {
  stopping_ = true;
  thread_.join();
  ::close(listener_);
}

void tcp_relay::run() {
  std::vector<std::pair<int, int>> pairs;
  auto close_all = [&] {
    for (auto [left, right] : pairs) {
      ::close(left);
      ::close(right);
    }
    pairs.clear();
  };
  while (!stopping_) {
    if (cuts_wanted_.exchange(false)) close_all();
    std::vector<pollfd> waiting{{listener_, POLLIN, 0}};
    for (auto [left, right] : pairs) {
      waiting.push_back({left, POLLIN, 0});
      waiting.push_back({right, POLLIN, 0});
    }
    ::poll(waiting.data(), waiting.size(), 5);
    if (cuts_wanted_) continue;
    for (std::size_t i = pairs.size(); i-- > 0;) {
      auto [left, right] = pairs[i];
      bool is_open = true;
      if (waiting[1 + 2 * i].revents != 0) is_open = pass(left, right);
      if (is_open && waiting[2 + 2 * i].revents != 0) is_open = pass(right, left);
      if (is_open) continue;
      ::close(left);
      ::close(right);
      pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (waiting[0].revents == 0) continue;
    const int left = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int right = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(target_port_);
    if (::connect(right, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(left);
      ::close(right);
      continue;
    }
    no_delay(left);
    no_delay(right);
    pairs.emplace_back(left, right);
  }
  close_all();
}

}  // namespace hive::test
