#include "gate/tunnel.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "client/connect_socket.hpp"
#include "tests/gate/gate_fixture.hpp"
#include "tests/gate/raw_peer.hpp"
#include "tests/silent_listener.hpp"

using namespace hive;
using namespace hive::gate;
using namespace hive::gate::test;
using namespace std::chrono_literals;

namespace {

int connected_to(std::uint16_t port) {
  const auto socket = connect_socket({"127.0.0.1", port}, 3s);
  REQUIRE(socket);
  return *socket;
}

int blocking(int socket) {
  ::fcntl(socket, F_SETFL, 0);
  return socket;
}

}  // namespace

TEST_CASE("what goes into a tunnel comes out of the gate, and back") {
  test_gate gate;
  const auto carol = gate.own_authority.issue("carol", role::client);
  auto open = tunnel::open(connected_to(gate.gate->port()), {.files = carol, .server_name = "127.0.0.1"});
  REQUIRE(open);
  const int ours = blocking((*open)->take_socket());
  REQUIRE(write_plain(ours, handshake(gate.node.peer)));
  const int basp = gate.next_joined();
  REQUIRE(read_plain(basp, 64) == handshake(gate.node.peer));
  const bytes hello = frame(basp::operation::server_handshake, 0, 3, 0, 0, bytes(100, 1));
  REQUIRE(write_plain(basp, hello));
  CHECK(read_plain(ours, hello.size()) == hello);
  const bytes large =
      frame(basp::operation::direct_message, 0, some_request | basp::response_flag, 5, 6, bytes(3U << 20U, 7));
  std::thread writer([&] { write_plain(basp, large); });
  CHECK(read_plain(ours, large.size()) == large);
  writer.join();

  SECTION("the node's end closes the tunnel's plain socket") {
    ::close(basp);
    CHECK(read_plain(ours, 1).empty());
    CHECK((*open)->ended_by_peer() == "the peer closed the connection");
    ::close(ours);
  }
  SECTION("our end closes the node's") {
    ::close(ours);
    CHECK(read_plain(basp, 1).empty());
    ::close(basp);
  }
  SECTION("so does the end of the tunnel") {
    open->reset();
    CHECK(read_plain(basp, 1).empty());
    CHECK(read_plain(ours, 1).empty());
    ::close(basp);
    ::close(ours);
  }
}

TEST_CASE("a client refuses a node that it has no reason to trust") {
  test_gate gate;
  const auto carol = gate.own_authority.issue("carol", role::client);
  const auto refused = [&](const tunnel::options& how) {
    auto open = tunnel::open(connected_to(gate.gate->port()), how);
    return open ? std::string{} : to_string(open.failure());
  };
  CHECK(refused({.files = carol, .server_name = "127.0.0.1"}).empty());
  CHECK(refused({.files = carol, .server_name = "localhost"}).empty());
  const auto other_host = refused({.files = carol, .server_name = "node7.example.org"});
  CHECK(other_host.find("permission_denied") == 0);
  CHECK(other_host.find("ostname mismatch") != std::string::npos);
  CHECK(refused({.files = carol, .server_name = "127.0.0.2"}).find("IP address mismatch") != std::string::npos);
  CHECK(refused({.files = carol, .server_name = ""}).find("invalid_argument") == 0);

  const test_authority other("demo");
  CHECK(refused({.files = other.issue("dave", role::client), .server_name = "127.0.0.1"}).find("permission_denied") ==
        0);
}

TEST_CASE("a client's own certificate does not make a node") {
  // A server with the certificate of a client, signed by the right authority: what a client gone bad could set up.
  const test_authority authority;
  const auto carol = authority.issue("carol", role::client);
  const auto loaded = tls_context::load(carol, tls_end::server);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.failure().code == errc::invalid_argument);
}

TEST_CASE("a node that does not speak TLS, or not in time, is unavailable") {
  const test_authority authority;
  const auto carol = authority.issue("carol", role::client);
  hive::test::silent_listener nobody;
  const auto started = std::chrono::steady_clock::now();
  auto open = tunnel::open(connected_to(nobody.port), {.files = carol, .server_name = "127.0.0.1", .timeout = 200ms});
  REQUIRE_FALSE(open);
  CHECK(open.failure().code == errc::unavailable);
  CHECK(std::chrono::steady_clock::now() - started < 5s);

  std::thread plain_node([&] {
    const int accepted = ::accept(nobody.socket, nullptr, nullptr);
    const int second = ::accept(nobody.socket, nullptr, nullptr);
    write_plain(second, frame(basp::operation::server_handshake, 0, 3, 0, 0, bytes(100, 1)));
    ::close(accepted);
    ::close(second);
  });
  open = tunnel::open(connected_to(nobody.port), {.files = carol, .server_name = "127.0.0.1"});
  plain_node.join();
  REQUIRE_FALSE(open);
  CHECK(open.failure().code == errc::unavailable);
  CHECK(open.failure().message.find("does not speak TLS") != std::string::npos);
}

TEST_CASE("a node tells why it refuses a certificate") {
  test_gate gate;
  const test_authority other("demo");
  // It trusts the node's authority, but its own certificate is of another.
  auto mallory = other.issue("mallory", role::client);
  write_file(other.file(), other.pair().certificate + gate.own_authority.pair().certificate);
  auto open = tunnel::open(connected_to(gate.gate->port()), {.files = mallory, .server_name = "127.0.0.1"});
  REQUIRE(open);  // TLS 1.3: it learns later
  const int ours = blocking((*open)->take_socket());
  CHECK(read_plain(ours, 1).empty());
  CHECK((*open)->ended_by_peer().find("unknown ca") != std::string::npos);
  ::close(ours);
}
