#include "gate/acceptor.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "gate/frame_reply.hpp"
#include "tests/gate/gate_fixture.hpp"
#include "tests/gate/raw_peer.hpp"

using namespace hive;
using namespace hive::gate;
using namespace hive::gate::test;
using namespace std::chrono_literals;

namespace {

/// An honest peer that said hello, and BASP's end of its connection.
struct honest_link {
  raw_peer peer;
  int basp = -1;

  honest_link(test_gate& gate, const tls_files& files, std::uint8_t process = 2) : peer(gate.gate->port()) {
    REQUIRE(peer.shake(&files));
    REQUIRE(peer.send(handshake(node_id_of(process))));
    basp = gate.next_joined();
    REQUIRE(basp >= 0);
    REQUIRE(read_plain(basp, 64) == handshake(node_id_of(process)));
  }
  ~honest_link() { ::close(basp); }
  honest_link(const honest_link&) = delete;
  honest_link& operator=(const honest_link&) = delete;

  bool is_alive() {
    const bytes ping = request("hive.v1.PingRequest", "ping");
    if (!peer.send(ping) || read_plain(basp, ping.size()) != ping) return false;
    return write_plain(basp, heartbeat()) && peer.receive(basp::header_bytes) == heartbeat();
  }
};

}  // namespace

TEST_CASE("an honest client's bytes go through both ways, with TLS 1.2 and 1.3") {
  test_gate gate;
  const auto files = gate.own_authority.issue("carol", role::client);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    raw_peer peer(gate.gate->port());
    REQUIRE(peer.shake(&files, version));
    const bytes hello = handshake(gate.node.peer) + handshake(gate.node.peer, basp::select_connection_flag);
    REQUIRE(peer.send(hello));
    const int basp = gate.next_joined();
    REQUIRE(basp >= 0);
    CHECK(read_plain(basp, hello.size()) == hello);
    const bytes frames = request("hive.v1.PingRequest", std::string(3'000, 'x')) + heartbeat();
    REQUIRE(peer.send(frames));
    CHECK(read_plain(basp, frames.size()) == frames);
    const bytes answer = request("hive.v1.PingResponse", std::string(100'000, 'y'));
    std::thread writer([&] { write_plain(basp, answer); });
    CHECK(peer.receive(answer.size()) == answer);
    writer.join();
    ::close(basp);
    CHECK(peer.is_ended());
  }
  CHECK(gate.observer.joined_ever() == 2);
  CHECK(gate.observer.wait_connections(0, 0));
}

TEST_CASE("TLS older than 1.2 is not spoken") {
  test_gate gate;
  const auto files = gate.own_authority.issue("carol", role::client);
  raw_peer peer(gate.gate->port());
  CHECK_FALSE(peer.shake(&files, TLS1_1_VERSION));
  CHECK(gate.observer.joined_ever() == 0);
}

TEST_CASE("who has no good certificate is refused with a log line, and BASP never hears of it") {
  test_gate gate;
  const test_authority other_authority("demo");
  const test_authority other_cluster("elsewhere");
  auto over = valid_for_days(1);
  over.from_unix_s -= 1'000'000;
  over.until_unix_s = over.from_unix_s + 1'000;
  auto not_yet = valid_for_days(20);
  not_yet.from_unix_s += 100'000;
  const auto expired = gate.own_authority.issue({"erin", role::client, {}, over});
  const auto too_early = gate.own_authority.issue({"frank", role::client, {}, not_yet});
  const auto wrong_authority = other_authority.issue("mallory", role::client);
  const auto wrong_cluster = other_cluster.issue("trent", role::client);
  struct attempt {
    const tls_files* files;
    refusal expected;
    std::string logged_too;
  };
  for (const auto& one :
       {attempt{nullptr, refusal::no_certificate, ""}, attempt{&wrong_authority, refusal::unknown_authority, "mallory"},
        attempt{&wrong_cluster, refusal::unknown_authority, "trent"},
        attempt{&expired, refusal::expired_certificate, "erin"},
        attempt{&too_early, refusal::expired_certificate, "frank"}}) {
    raw_peer peer(gate.gate->port());
    // With TLS 1.3 a client may believe it is connected until it reads.
    peer.shake(one.files);
    peer.send(handshake(gate.node.peer));
    CHECK(peer.is_ended());
    INFO(to_string(one.expected) << " " << one.logged_too);
    CHECK(gate.observer.wait_refused(one.expected));
    CHECK(wait_logged("reason=" + to_string(one.expected), one.logged_too));
  }
  CHECK(gate.observer.joined_ever() == 0);
}

TEST_CASE("a certificate of the authority that names no role of this cluster is refused") {
  // The same authority in both files, so that only the name is wrong.
  test_authority authority("elsewhere");
  test_gate gate;
  auto both = read_file(gate.own_authority.file()) + read_file(authority.file());
  write_file(gate.own_authority.file(), both);
  gate.gate->reload();
  REQUIRE(wait_logged("new connections use the certificate", "first of demo"));
  const auto files = authority.issue("trent", role::client);
  raw_peer peer(gate.gate->port());
  peer.shake(&files);
  CHECK(peer.is_ended());
  CHECK(gate.observer.wait_refused(refusal::wrong_identity));
  CHECK(wait_logged("reason=wrong_identity", "it is for cluster elsewhere, not demo"));
}

TEST_CASE("a plain client is told apart, and refused") {
  test_gate gate;
  raw_peer peer(gate.gate->port());
  REQUIRE(peer.send(handshake(gate.node.peer)));
  CHECK(peer.is_ended());
  CHECK(gate.observer.wait_refused(refusal::plain_client));
  CHECK(wait_logged("reason=plain_client", "client.tls_certificate"));

  raw_peer browser(gate.gate->port());
  const std::string get = "GET / HTTP/1.1\r\n\r\n";
  REQUIRE(browser.send({get.begin(), get.end()}));
  CHECK(browser.is_ended());
  CHECK(gate.observer.wait_refused(refusal::plain_client, 2));
}

TEST_CASE("a client's certificate that tries node messages gets permission_denied, and a log line") {
  test_gate gate;
  const auto files = gate.own_authority.issue("carol", role::client);
  honest_link link(gate, files);
  const bytes try_it = request("hive.v1.AppendRequest", "entries", peer_front_id);
  REQUIRE(link.peer.send(try_it));
  denied_message denied{some_request, sender_id, peer_front_id, "hive.v1.AppendRequest", 0, denial::wrong_role};
  const bytes answer = answer_denied(denied, describe_denied(denied, role::client));
  CHECK(link.peer.receive(answer.size()) == answer);
  CHECK(gate.observer.wait_refused(refusal::forbidden_message));
  CHECK(wait_logged("reason=forbidden_message", "client carol of demo"));
  // Nothing of it reached BASP, and the connection goes on.
  CHECK(link.is_alive());

  REQUIRE(link.peer.send(request("hive.v1.PingRequest", "", 999)));
  CHECK(link.peer.is_ended());
  CHECK(gate.observer.wait_refused(refusal::bad_frame));

  const auto node_files = gate.own_authority.issue("second", role::node);
  honest_link other_node(gate, node_files, 5);
  REQUIRE(other_node.peer.send(try_it));
  CHECK(read_plain(other_node.basp, try_it.size()) == try_it);
}

TEST_CASE("the packet that crashes CAF ends the connection before BASP is told of it") {
  test_gate gate;
  const auto files = gate.own_authority.issue("carol", role::client);
  raw_peer peer(gate.gate->port());
  REQUIRE(peer.shake(&files));
  REQUIRE(peer.send(frame(basp::operation::client_handshake, 0, 0, 0, 0, {})));
  CHECK(peer.is_ended());
  CHECK(gate.observer.wait_refused(refusal::bad_frame));
  CHECK(gate.observer.joined_ever() == 0);
}

TEST_CASE("a process cannot be taken over with another certificate") {
  test_gate gate;
  const auto carol = gate.own_authority.issue("carol", role::client);
  const auto mallory = gate.own_authority.issue("mallory", role::client);
  honest_link link(gate, carol, 2);
  {
    raw_peer peer(gate.gate->port());
    REQUIRE(peer.shake(&mallory));
    REQUIRE(peer.send(handshake(node_id_of(2))));
    CHECK(peer.is_ended());
  }
  CHECK(gate.observer.wait_refused(refusal::identity_taken));
  CHECK(link.is_alive());
  honest_link again(gate, carol, 2);  // a second connection of the same process
  CHECK(again.is_alive());
}

TEST_CASE("stalled connections are closed in time, and do not keep honest ones out") {
  acceptor_limits limits;
  limits.handshake = 2'000ms;
  limits.pending_max = 50;
  test_gate gate(limits);
  const auto files = gate.own_authority.issue("carol", role::client);
  std::vector<std::unique_ptr<raw_peer>> stalled;
  for (int i = 0; i < 60; ++i) {
    stalled.push_back(std::make_unique<raw_peer>(gate.gate->port()));
    // Some have begun a TLS handshake: a record header that promises more.
    if (i % 2 == 0) REQUIRE(stalled.back()->send({0x16, 0x03, 0x01, 0x02, 0x00, 0x01}));
  }
  honest_link link(gate, files);
  CHECK(link.is_alive());
  CHECK(gate.observer.wait_refused(refusal::too_many_connections, 10));
  CHECK(gate.observer.wait_refused(refusal::handshake_timeout, 49));
  for (auto& one : stalled) CHECK(one->is_ended());
}

TEST_CASE("after the TLS handshake the first frame must come in time too") {
  acceptor_limits limits;
  limits.handshake = 300ms;
  test_gate gate(limits);
  const auto files = gate.own_authority.issue("carol", role::client);
  raw_peer peer(gate.gate->port());
  REQUIRE(peer.shake(&files));
  CHECK(peer.is_ended());
  CHECK(gate.observer.wait_refused(refusal::handshake_timeout));
}

TEST_CASE("beyond the cap of connections the next is refused, and let in when one has gone") {
  acceptor_limits limits;
  limits.connections_max = 2;
  test_gate gate(limits);
  const auto files = gate.own_authority.issue("carol", role::client);
  auto first = std::make_unique<honest_link>(gate, files, 2);
  honest_link second(gate, files, 3);
  raw_peer third(gate.gate->port());
  third.shake(&files);
  CHECK(third.is_ended());
  CHECK(gate.observer.wait_refused(refusal::too_many_connections));
  first.reset();
  REQUIRE(gate.observer.wait_connections(1, 0));
  honest_link fourth(gate, files, 4);
  CHECK(fourth.is_alive());
  CHECK(second.is_alive());
}

TEST_CASE("silent, slow and unreading peers are closed") {
  acceptor_limits limits;
  test_gate* made = nullptr;
  SECTION("silent") {
    limits.idle = 300ms;
    test_gate gate(limits);
    made = &gate;
    const auto files = gate.own_authority.issue("carol", role::client);
    honest_link link(gate, files);
    CHECK(link.peer.is_ended());
    CHECK(gate.observer.wait_refused(refusal::idle));
  }
  SECTION("a frame that does not end") {
    limits.frame = 300ms;
    test_gate gate(limits);
    made = &gate;
    const auto files = gate.own_authority.issue("carol", role::client);
    honest_link link(gate, files);
    auto cut = request("hive.v1.PingRequest", std::string(1'000, 'x'));
    cut.resize(500);
    REQUIRE(link.peer.send(cut));
    CHECK(link.peer.is_ended());
    CHECK(gate.observer.wait_refused(refusal::slow_frame));
  }
  SECTION("takes nothing") {
    limits.not_reading = 300ms;
    test_gate gate(limits);
    made = &gate;
    const auto files = gate.own_authority.issue("carol", role::client);
    honest_link link(gate, files);
    // More than sockets and buffers hold; the gate takes no more of it either.
    std::thread writer([&] { write_plain(link.basp, bytes(64U << 20U, 0)); });
    CHECK(gate.observer.wait_refused(refusal::not_reading));
    writer.join();
  }
  CHECK(made != nullptr);
}

TEST_CASE("too many large frames at once end the connection that began the last") {
  acceptor_limits limits;
  limits.payload_bytes_max = 1U << 20U;
  limits.large_frames_bytes_max = 2'500'000;
  test_gate gate(limits);
  const auto files = gate.own_authority.issue("carol", role::client);
  auto large = request("hive.v1.PingRequest", std::string(1'000'000, 'x'));
  large.resize(1'000);
  honest_link first(gate, files, 2);
  honest_link second(gate, files, 3);
  honest_link third(gate, files, 4);
  REQUIRE(first.peer.send(large));
  REQUIRE(read_plain(first.basp, large.size()) == large);
  REQUIRE(second.peer.send(large));
  REQUIRE(read_plain(second.basp, large.size()) == large);
  REQUIRE(third.peer.send(large));
  CHECK(third.peer.is_ended());
  CHECK(gate.observer.wait_refused(refusal::overloaded));
}

TEST_CASE("a renewed certificate is used by new connections; open ones go on") {
  test_gate gate;
  const auto carol = gate.own_authority.issue("carol", role::client);
  honest_link before(gate, carol, 2);
  SECTION("when told") {
    gate.own_authority.issue("first", role::node);
    gate.gate->reload();
  }
  SECTION("when the files have changed") { gate.own_authority.issue("first", role::node); }
  REQUIRE(wait_logged("new connections use the certificate", "node first of demo"));
  honest_link after(gate, carol, 3);
  CHECK(after.is_alive());
  CHECK(before.is_alive());
}

TEST_CASE("an authority can be replaced without a restart; a broken file changes nothing") {
  test_gate gate;
  const test_authority next("demo");
  const auto by_next = next.issue("dave", role::client);
  write_file(gate.node_files.key, "no key");
  gate.gate->reload();
  REQUIRE(wait_logged("the certificate in use stays", "key"));
  const auto carol = gate.own_authority.issue("carol", role::client);
  honest_link still(gate, carol, 2);

  // The node keeps its certificate, but trusts both authorities from now on.
  gate.own_authority.issue("first", role::node);
  write_file(gate.own_authority.file(), gate.own_authority.pair().certificate + next.pair().certificate);
  gate.gate->reload();
  REQUIRE(wait_logged("new connections use the certificate", "node first of demo"));
  honest_link by_new(gate, by_next, 3);
  honest_link by_old(gate, carol, 4);
  CHECK(by_new.is_alive());
  CHECK(by_old.is_alive());
  CHECK(still.is_alive());
}

TEST_CASE("a certificate that expires while connected ends its connection") {
  test_gate gate;
  auto soon = valid_for_days(1);
  soon.until_unix_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() + 3;
  const auto files = gate.own_authority.issue({"brief", role::client, {}, soon});
  honest_link link(gate, files);
  while (link.is_alive()) {
  }
  CHECK(gate.observer.wait_refused(refusal::expired_certificate));
}

TEST_CASE("a closed listener lets open connections go on") {
  test_gate gate;
  const auto files = gate.own_authority.issue("carol", role::client);
  honest_link link(gate, files);
  gate.gate->stop_accepting();
  CHECK(link.is_alive());
}
