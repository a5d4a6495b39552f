#include "gate/frame_check.hpp"

#include <catch2/catch.hpp>

#include "tests/gate/frames.hpp"

using namespace hive::gate;
using namespace hive::gate::test;
using basp::operation;

namespace {

struct checked {
  frame_fault fault = frame_fault::none;
  bytes accepted;
};

checked check_all(frame_check& check, const bytes& input) {
  checked done;
  done.fault = check.feed(input, done.accepted);
  return done;
}

/// What becomes of frames of a client that has said hello.
checked after_hello(const bytes& frames, role_set roles = role::client) {
  const checked_node node;
  frame_check check(node.settings(roles));
  bytes accepted;
  REQUIRE(check.feed(handshake(node.peer), accepted) == frame_fault::none);
  return check_all(check, frames);
}

}  // namespace

TEST_CASE("an honest client's frames pass unchanged, byte by byte too") {
  const checked_node node;
  const bytes all = handshake(node.peer) + handshake(node.peer, basp::select_connection_flag) + heartbeat() +
                    monitor(node.peer, node.own) + request("hive.v1.PingRequest", "") +
                    request("hive.v1.PingRequest", std::string(4'000, 'x')) + down(node.peer, node.own);
  frame_check at_once(node.settings());
  const auto done = check_all(at_once, all);
  CHECK(done.fault == frame_fault::none);
  CHECK(done.accepted == all);
  CHECK(at_once.frames() == 7);
  CHECK_FALSE(at_once.is_within_frame());
  CHECK(at_once.peer() == node.peer);

  frame_check piecewise(node.settings());
  bytes accepted;
  for (const std::uint8_t byte : all) REQUIRE(piecewise.feed({&byte, 1}, accepted) == frame_fault::none);
  CHECK(accepted == all);
  CHECK(piecewise.frames() == 7);
}

TEST_CASE("nothing of a message passes before its type is known to be allowed") {
  const checked_node node;
  frame_check check(node.settings());
  const bytes frames = handshake(node.peer) + request("hive.v1.PingRequest", std::string(200, 'x'));
  const std::size_t hello_bytes = basp::header_bytes + basp::node_id_bytes;
  bytes accepted;
  REQUIRE(check.feed(std::span(frames).first(hello_bytes + basp::header_bytes + 20), accepted) == frame_fault::none);
  CHECK(accepted.size() == hello_bytes);
  CHECK(check.is_within_frame());
  CHECK(check.passing_bytes() == 0);
}

TEST_CASE("the packet that crashes CAF is refused: a handshake without payload") {
  const checked_node node;
  for (const auto what : {operation::client_handshake, operation::server_handshake}) {
    frame_check check(node.settings());
    const auto done = check_all(check, frame(what, 0, what == operation::server_handshake ? 3 : 0, 0, 0, {}));
    CHECK(done.fault == frame_fault::size);
    CHECK(done.accepted.empty());
  }
  CHECK(after_hello(frame(operation::client_handshake, 0, 0, 0, 0, {})).fault == frame_fault::size);
}

TEST_CASE("a length beyond the cap is refused by the header alone") {
  const auto payload = message_payload("hive.v1.PingRequest", "x");
  CHECK(after_hello(frame(operation::direct_message, 0, some_request, sender_id, front_id, {}, 0x4000'0000)).fault ==
        frame_fault::size);
  CHECK(after_hello(frame(operation::direct_message, 0, some_request, sender_id, front_id, payload)).fault ==
        frame_fault::none);
}

TEST_CASE("a message that is too large is taken out, not the connection with it") {
  const checked_node node;
  frame_check check(node.settings());
  bytes accepted;
  REQUIRE(check.feed(handshake(node.peer), accepted) == frame_fault::none);
  const bytes ping = request("hive.v1.PingRequest", "x");
  const auto done = check_all(check, request("hive.v1.PingRequest", std::string(5'000, 'x')) + ping);
  CHECK(done.fault == frame_fault::none);
  CHECK(done.accepted == ping);
  const auto denied = check.take_denied();
  REQUIRE(denied.size() == 1);
  CHECK(denied[0].why == denial::too_large);
  CHECK(denied[0].bytes > 5'000);
  CHECK(check.passing_bytes() == 0);
}

TEST_CASE("the first frame must be the client's handshake") {
  const checked_node node;
  for (const bytes& first : {heartbeat(), request("hive.v1.PingRequest", ""), monitor(node.peer, node.own),
                             down(node.peer, node.own), frame(operation::server_handshake, 0, 3, 0, 0, {1, 2, 3})}) {
    frame_check check(node.settings());
    const auto done = check_all(check, first);
    CHECK(done.fault == frame_fault::not_greeted);
    CHECK(done.accepted.empty());
  }
}

TEST_CASE("a peer cannot become another process, this one, or none") {
  const checked_node node;
  CHECK(after_hello(handshake(node_id_of(3))).fault == frame_fault::identity);
  auto no_number = node.peer;
  std::fill(no_number.begin() + 8, no_number.begin() + 12, std::uint8_t{0});
  auto no_hash = node.peer;
  std::fill(no_hash.begin() + 12, no_hash.end(), std::uint8_t{0});
  auto other_kind = node.peer;
  other_kind[7] ^= 1U;
  for (const auto& id : {node.own, no_number, no_hash, other_kind, basp::node_key{}}) {
    frame_check check(node.settings());
    const auto done = check_all(check, handshake(id));
    CHECK(done.fault == frame_fault::identity);
    CHECK(done.accepted.empty());
  }
}

TEST_CASE("monitor and down messages only go between the peer and this node") {
  const checked_node node;
  const auto third = node_id_of(3);
  CHECK(after_hello(monitor(third, node.own)).fault == frame_fault::identity);
  CHECK(after_hello(monitor(node.peer, third)).fault == frame_fault::identity);
  CHECK(after_hello(down(third, node.own)).fault == frame_fault::identity);
  CHECK(after_hello(down(node.peer, third)).fault == frame_fault::identity);
  auto with_context = down(node.peer, node.own);
  with_context.back() = '+';
  CHECK(after_hello(with_context).fault == frame_fault::content);
}

TEST_CASE("routed and unknown operations are refused") {
  CHECK(after_hello(frame(operation::routed_message, 0, some_request, 1, front_id, {1})).fault == frame_fault::routed);
  CHECK(after_hello(frame(static_cast<operation>(7), 0, 0, 0, 0, {})).fault == frame_fault::unknown_operation);
  CHECK(after_hello(frame(static_cast<operation>(0xFF), 0, 0, 0, 0, {})).fault == frame_fault::unknown_operation);
}

TEST_CASE("stream messages, answers to nothing and odd flags are refused") {
  const auto payload = message_payload("hive.v1.PingRequest", "x");
  const auto with = [&](std::uint64_t id, std::uint8_t flags = 0, std::uint64_t receiver = front_id) {
    return after_hello(frame(operation::direct_message, flags, id, sender_id, receiver, payload)).fault;
  };
  CHECK(with(some_request) == frame_fault::none);
  CHECK(with(some_request | basp::response_flag) == frame_fault::fields);
  CHECK(with(some_request | basp::answered_flag) == frame_fault::fields);
  CHECK(with(0x2000'0000'0000'0007) == frame_fault::fields);
  CHECK(with(0x3000'0000'0000'0007) == frame_fault::fields);
  CHECK(with(7) == frame_fault::fields);
  CHECK(with(some_request, 4) == frame_fault::fields);
  CHECK(with(some_request, 0, 0) == frame_fault::fields);
  auto padded = heartbeat();
  padded[1] = 1;
  CHECK(after_hello(padded).fault == frame_fault::fields);
}

TEST_CASE("a message that is not exactly one protobuf message is refused") {
  const auto send = [](const bytes& payload) {
    return after_hello(frame(operation::direct_message, 0, some_request, sender_id, front_id, payload)).fault;
  };
  const auto good = message_payload("hive.v1.PingRequest", "abc");
  REQUIRE(send(good) == frame_fault::none);
  auto with_stage = good;
  with_stage[0] = 1;
  CHECK(send(with_stage) == frame_fault::content);
  auto numbered_object = good;
  numbered_object[2] = 1;
  CHECK(send(numbered_object) == frame_fault::content);
  auto longer_claim = good;
  longer_claim[longer_claim.size() - 4] = 4;
  CHECK(send(longer_claim) == frame_fault::size);
  CHECK(send(good + bytes{0}) == frame_fault::size);
  auto cut = good;
  cut.resize(10);
  CHECK(send(cut) == frame_fault::content);
  CHECK(send(bytes(1, 0)) == frame_fault::content);
  bytes endless{0, 0, 0};
  put_text(endless, "@<>+hive.v1.PingRequest");
  CHECK(send(endless + bytes(40, 0xFF)) == frame_fault::content);
}

TEST_CASE("what CAF would understand but hive never sends does not reach it") {
  // A link message with a handle of a local actor makes CAF take an actor for a proxy.
  for (const std::string type : {"@atom+@actor", "@exit", "@down", "@downstream_msg", "@open_stream_msg", "hive"}) {
    const checked_node node;
    frame_check check(node.settings());
    bytes accepted;
    REQUIRE(check.feed(handshake(node.peer), accepted) == frame_fault::none);
    const auto done = check_all(check, request(type, "x"));
    CHECK(done.accepted.empty());
    CHECK(check.take_denied().size() == 1);
  }
}

TEST_CASE("actors outside of the rules cannot be reached by number or by name") {
  CHECK(after_hello(request("hive.v1.PingRequest", "", 999)).fault == frame_fault::receiver);
  CHECK(after_hello(frame(operation::direct_message, basp::named_receiver_flag, basp::normal_category, 3, 0x1234,
                          message_payload("@atom", "x")))
            .fault == frame_fault::receiver);
  // Every CAF process asks for this one; nobody answers.
  const auto asked = after_hello(frame(operation::direct_message, basp::named_receiver_flag, basp::normal_category, 3,
                                       basp::spawn_server_name, message_payload("@atom", "x")) +
                                 heartbeat());
  CHECK(asked.fault == frame_fault::none);
  CHECK(asked.accepted == heartbeat());
}

TEST_CASE("a client's certificate cannot send what nodes send; the rest of its stream goes on") {
  const checked_node node;
  frame_check check(node.settings(role::client));
  bytes accepted;
  REQUIRE(check.feed(handshake(node.peer), accepted) == frame_fault::none);
  const bytes ping = request("hive.v1.PingRequest", "x");
  const auto done = check_all(check, request("hive.v1.AppendRequest", std::string(500, 'e'), peer_front_id) + ping +
                                         request("hive.v1.ReportTasksRequest", "r"));
  CHECK(done.fault == frame_fault::none);
  CHECK(done.accepted == ping);
  const auto denied = check.take_denied();
  REQUIRE(denied.size() == 2);
  CHECK(denied[0].type == "hive.v1.AppendRequest");
  CHECK(denied[0].receiver_actor == peer_front_id);
  CHECK(denied[0].source_actor == sender_id);
  CHECK(denied[0].message_id == some_request);
  CHECK(denied[1].why == denial::wrong_role);
  CHECK(check.take_denied().empty());

  CHECK(after_hello(request("hive.v1.AppendRequest", "e", peer_front_id), role::node).accepted.size() > 0);
  CHECK(after_hello(request("hive.v1.ReportTasksRequest", "r"), role::worker).accepted.size() > 0);
}

TEST_CASE("a peer may write as a bounded number of actors; ended ones make room") {
  const checked_node node;
  auto settings = node.settings();
  settings.senders_max = 3;
  frame_check check(settings);
  bytes accepted;
  REQUIRE(check.feed(handshake(node.peer), accepted) == frame_fault::none);
  for (std::uint64_t actor = 1; actor <= 3; ++actor)
    REQUIRE(check.feed(request("hive.v1.PingRequest", "", front_id, actor), accepted) == frame_fault::none);
  REQUIRE(check.feed(request("hive.v1.PingRequest", "", front_id, 2), accepted) == frame_fault::none);
  REQUIRE(check.feed(down(node.peer, node.own, 2), accepted) == frame_fault::none);
  REQUIRE(check.feed(request("hive.v1.PingRequest", "", front_id, 4), accepted) == frame_fault::none);
  CHECK(check.feed(request("hive.v1.PingRequest", "", front_id, 5), accepted) == frame_fault::too_many_actors);
}

TEST_CASE("after a fault nothing passes any more") {
  const checked_node node;
  frame_check check(node.settings());
  bytes accepted;
  REQUIRE(check.feed(heartbeat(), accepted) == frame_fault::not_greeted);
  CHECK(check.feed(handshake(node.peer), accepted) == frame_fault::not_greeted);
  CHECK(accepted.empty());
}

TEST_CASE("a client is protected from what a node must not send") {
  frame_check::options settings;
  settings.protects = frame_check::side::client;
  settings.payload_bytes_max = 4'096;
  const bytes hello = frame(operation::server_handshake, 0, 3, 0, 0, bytes(100, 1));
  const auto after = [&](const bytes& frames) {
    frame_check check(settings);
    bytes accepted;
    REQUIRE(check.feed(hello, accepted) == frame_fault::none);
    REQUIRE(accepted == hello);
    return check_all(check, frames);
  };
  const bytes answer = frame(operation::direct_message, 0, some_request | basp::response_flag, 5, 6, bytes(50, 2));
  CHECK(after(answer + heartbeat()).accepted == answer + heartbeat());
  CHECK(after(hello).fault == frame_fault::not_greeted);
  CHECK(after(frame(operation::client_handshake, 0, 0, 0, 0, bytes(32, 1))).fault == frame_fault::not_greeted);
  CHECK(after(frame(operation::direct_message, 0, some_request, 5, 6, {}, 0x4000'0000)).fault == frame_fault::size);
  CHECK(after(frame(operation::routed_message, 0, some_request, 5, 6, {1})).fault == frame_fault::routed);
  CHECK(after(frame(operation::direct_message, 0, 3ULL << 60U, 5, 6, {1})).fault == frame_fault::fields);
  for (const bytes& first : {frame(operation::server_handshake, 0, 3, 0, 0, {}), heartbeat(), answer}) {
    frame_check check(settings);
    const auto done = check_all(check, first);
    CHECK(done.fault != frame_fault::none);
    CHECK(done.accepted.empty());
  }
}
