#include "actors/basp_mending.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>

#include "client/client.hpp"
#include "client/link.hpp"
#include "tests/client/fake_node.hpp"

using namespace hive;
using namespace std::chrono_literals;

namespace {

/// Accepts connections, as the kernel does, and says nothing.
struct silent_listener {
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port = 0;

  silent_listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket, 5) == 0);
    REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
  ~silent_listener() { ::close(socket); }
  silent_listener(const silent_listener&) = delete;
  silent_listener& operator=(const silent_listener&) = delete;
};

template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(10ms);
  return condition();
}

}  // namespace

TEST_CASE("BASP waits for the handshake of a slow node, and not only until its next tick") {
  const silent_listener node;
  const auto begin = std::chrono::steady_clock::now();
  const hive::link one(runtime::instance(), config::endpoint{"127.0.0.1", node.port}, {});
  REQUIRE(eventually([&] { return one.last_trouble().why.code != errc::none; }));
  CHECK(std::chrono::steady_clock::now() - begin > 1500ms);
}

TEST_CASE("of processes that are gone BASP keeps nothing") {
  test::fake_node node;
  auto& system = node.system();
  const auto basp = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  const auto kept = [&] {
    forget_gone_processes(system, basp);
    std::promise<std::size_t> count;
    system.middleman().backend().post([&] {
      auto* const broker = static_cast<caf::io::basp_broker*>(caf::actor_cast<caf::abstract_actor*>(basp));
      count.set_value(broker->spawn_servers.size());
    });
    return count.get_future().get();
  };
  {
    const hive::link one(runtime::instance(), *config::parse_endpoint(node.endpoint(), "endpoint"), {});
    REQUIRE(eventually([&] { return one.current() != nullptr; }));
    CHECK(kept() == 1);
  }
  CHECK(eventually([&] { return kept() == 0; }));
}
