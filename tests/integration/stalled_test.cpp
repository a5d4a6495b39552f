// 2,000 connections that say nothing, or begin a handshake and stop. They come again as soon as they are closed.
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/tls_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t stalled_count = 2'000;
constexpr double cpu_share_max = 0.02;
constexpr auto measured_time = 15s;

double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

class stalled_crowd {
 public:
  explicit stalled_crowd(std::uint16_t port) : port_(port), sockets_(stalled_count, pollfd{-1, POLLIN, 0}) {
    for (std::size_t at = 0; at < sockets_.size(); ++at) open(at);
  }
  ~stalled_crowd() {
    for (const auto& one : sockets_) ::close(one.fd);
  }
  stalled_crowd(const stalled_crowd&) = delete;
  stalled_crowd& operator=(const stalled_crowd&) = delete;

  /// Opens those again that the node has closed.
  void stay(std::chrono::milliseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < deadline) {
      ::poll(sockets_.data(), sockets_.size(), 100);
      for (std::size_t at = 0; at < sockets_.size(); ++at) {
        if (sockets_[at].revents == 0) continue;
        ::close(sockets_[at].fd);
        open(at);
        ++opened_again_;
      }
    }
  }
  [[nodiscard]] std::uint64_t opened_again() const { return opened_again_; }

 private:
  void open(std::size_t at) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    // Every fourth begins a TLS record and does not go on.
    const unsigned char begin[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01};
    if (at % 4 == 0) ::send(socket, begin, sizeof begin, MSG_NOSIGNAL);
    sockets_[at] = {socket, POLLIN, 0};
  }

  std::uint16_t port_;
  std::vector<pollfd> sockets_;
  std::uint64_t opened_again_ = 0;
};

bool raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < stalled_count + 200) return false;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace

TEST_CASE("2,000 stalled connections take less than 2 % of a processor and keep no honest client out") {
  if (!raise_descriptor_limit()) {
    WARN("skipped: too few file descriptors are allowed here");
    return;
  }
  const secure_node node;
  auto& hived = const_cast<secure_node&>(node).server.hived();
  stalled_crowd crowd(node.port());
  crowd.stay(1s);
  const double before = cpu_seconds(hived.pid());
  const auto started = std::chrono::steady_clock::now();
  crowd.stay(measured_time);
  const double used = cpu_seconds(hived.pid()) - before;
  const double share = used / std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf("hived with %zu stalled connections: %.2f %% of a processor, %llu opened again\n", stalled_count,
              share * 100, static_cast<unsigned long long>(crowd.opened_again()));
  CHECK(share < cpu_share_max);
  // The node does close them, and an honest client gets in while the crowd is there.
  CHECK(crowd.opened_again() >= stalled_count);
  const auto asked = std::chrono::steady_clock::now();
  CHECK(node.ctl("me", {"status"}).status == 0);
  const std::chrono::duration<double, std::milli> honest = std::chrono::steady_clock::now() - asked;
  std::printf("hivectl status meanwhile: %.0f ms\n", honest.count());
}
