#include "gate/tls_stream.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <optional>

#include <sys/socket.h>

#include "tests/gate/gate_fixture.hpp"

using namespace hive;
using namespace hive::gate;
using namespace hive::gate::test;

namespace {

std::shared_ptr<const tls_context> context_of(const tls_files& files, tls_end end) {
  auto loaded = tls_context::load(files, end);
  REQUIRE(loaded);
  return *loaded;
}

/// A client and a server that have greeted each other, in this thread.
struct connected_streams {
  test_authority authority;
  std::optional<tls_stream> client;
  std::optional<tls_stream> server;

  connected_streams() {
    std::array<int, 2> ends{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    auto one =
        tls_stream::make(context_of(authority.issue("carol", role::client), tls_end::client), ends[0], "127.0.0.1");
    auto other = tls_stream::make(context_of(authority.issue("n1", role::node), tls_end::server), ends[1]);
    REQUIRE((one && other));
    client.emplace(std::move(*one));
    server.emplace(std::move(*other));
    bool is_over = false;
    for (int round = 0; round < 10 && !is_over; ++round) {
      const bool is_client_done = client->handshake() == tls_stream::progress::done;
      is_over = server->handshake() == tls_stream::progress::done && is_client_done;
    }
    REQUIRE(is_over);
  }
};

constexpr std::array<std::uint8_t, 3> text{'a', 'b', 'c'};

}  // namespace

TEST_CASE("what is written at one end of a TLS connection is read at the other") {
  connected_streams streams;
  CHECK(streams.client->write(text).bytes == text.size());
  std::array<std::uint8_t, 16> read{};
  CHECK(streams.server->read(read).bytes == text.size());
  CHECK(std::equal(text.begin(), text.end(), read.begin()));
  CHECK(streams.server->read(read).state == tls_stream::progress::blocked);
}

TEST_CASE("to write to a TLS peer that is gone is a failure, and no signal") {
  // Of a program that does not care for SIGPIPE: it would end here.
  std::signal(SIGPIPE, SIG_DFL);
  connected_streams streams;
  streams.server.reset();
  SECTION("data") {
    CHECK(streams.client->write(text).state == tls_stream::progress::failed);
    CHECK(streams.client->failure().detail == "Broken pipe");
  }
  SECTION("the goodbye") { CHECK_NOTHROW(streams.client->say_goodbye()); }
}
