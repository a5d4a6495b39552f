// The gate's own picture of BASP against what CAF writes.
#include "gate/basp_format.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/io/basp/header.hpp>
#include <caf/io/basp/version.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <caf/scoped_execution_unit.hpp>
#include <catch2/catch.hpp>

#include "actors/interfaces.hpp"
#include "actors/message_types.hpp"
#include "actors/system_config.hpp"
#include "gate/frame_reply.hpp"
#include "tests/gate/frames.hpp"

using namespace hive;
using namespace hive::gate;
using namespace hive::gate::test;

namespace {

struct caf_wire {
  test_system_config config;
  caf::actor_system system{config};

  template <class... Values>
  bytes write(const Values&... values) {
    std::vector<char> buffer;
    caf::binary_serializer sink{system, buffer};
    REQUIRE(sink(values...) == caf::none);
    return {buffer.begin(), buffer.end()};
  }
};

caf::node_id caf_id_of(const basp::node_key& key) {
  caf::node_id::default_data::host_id_type host{};
  std::copy(key.begin() + 12, key.end(), host.begin());
  return caf::make_node_id(basp::read_32(key.data() + 8), host);
}

}  // namespace

TEST_CASE("names and the version are those of CAF") {
  CHECK(basp::spawn_server_name == static_cast<std::uint64_t>(caf::atom("SpawnServ")));
  CHECK(basp::default_node_kind == static_cast<std::uint64_t>(caf::node_id::default_data::class_id));
  CHECK(basp::hive_error_category == static_cast<std::uint64_t>(caf::atom("hive")));
  CHECK(basp::header_bytes == caf::io::basp::header_size);
  CHECK(caf::io::basp::version == 3);
  CHECK(basp::named_receiver_flag == std::uint8_t{caf::io::basp::header::named_receiver_flag});
  CHECK(basp::select_connection_flag == std::uint8_t{caf::io::basp::header::select_connection_flag});
  CHECK(basp::response_flag == caf::message_id::response_flag_mask);
  CHECK(basp::answered_flag == caf::message_id::answered_flag_mask);
  CHECK(basp::category_mask == caf::message_id::category_flag_mask);
  CHECK(basp::normal_category == caf::message_id::default_async_value);
  CHECK(basp::request_number_mask == caf::message_id::request_id_mask);
}

TEST_CASE("a header is read as CAF writes it") {
  caf_wire wire;
  const caf::io::basp::header written{caf::io::basp::message_type::monitor_message, 2, 77, 1ULL << 60U, 5, 1ULL << 40U};
  const bytes raw = wire.write(written);
  REQUIRE(raw.size() == basp::header_bytes);
  const auto read = basp::read_header(std::span(raw).first<basp::header_bytes>());
  CHECK(read.what == basp::operation::monitor_message);
  CHECK(read.padding == 0);
  CHECK(read.flags == 2);
  CHECK(read.payload_bytes == 77);
  CHECK(read.data == 1ULL << 60U);
  CHECK(read.source_actor == 5);
  CHECK(read.receiver_actor == 1ULL << 40U);
}

TEST_CASE("node ids, messages and down messages that CAF writes pass the check") {
  caf_wire wire;
  const checked_node node;
  CHECK(wire.write(caf_id_of(node.peer)) == to_bytes(node.peer));

  v1::PingRequest ping;
  ping.set_nonce(99);
  const std::vector<caf::strong_actor_ptr> no_stages;
  const bytes ping_payload = wire.write(no_stages, caf::make_message(ping));
  CHECK(ping_payload == message_payload("hive.v1.PingRequest", ping.SerializeAsString()));

  const caf::error reason = caf::exit_reason::user_shutdown;
  const bytes down_payload = wire.write(caf_id_of(node.peer), caf_id_of(node.own), reason);
  CHECK(down_payload.size() == basp::plain_down_bytes);

  frame_check check(node.settings());
  bytes accepted;
  const bytes all = handshake(node.peer) +
                    frame(basp::operation::direct_message, 0, some_request, sender_id, front_id, ping_payload) +
                    frame(basp::operation::down_message, 0, 0, sender_id, 0, down_payload);
  CHECK(check.feed(all, accepted) == frame_fault::none);
  CHECK(accepted == all);
}

TEST_CASE("CAF reads the answer to a denied request as an error of hive's") {
  caf_wire wire;
  denied_message denied;
  denied.message_id = some_request;
  denied.source_actor = sender_id;
  denied.receiver_actor = peer_front_id;
  denied.type = "hive.v1.AppendRequest";
  const bytes answer = answer_denied(denied, describe_denied(denied, role::client));
  caf::scoped_execution_unit unit(&wire.system);
  caf::binary_deserializer source{&unit, reinterpret_cast<const char*>(answer.data()), answer.size()};
  caf::io::basp::header head;
  std::vector<caf::strong_actor_ptr> stages;
  caf::message content;
  REQUIRE(source(head, stages, content) == caf::none);
  CHECK(source.remaining() == 0);
  CHECK(caf::io::basp::valid(head));
  CHECK(head.payload_len == answer.size() - basp::header_bytes);
  CHECK(head.source_actor == peer_front_id);
  CHECK(head.dest_actor == sender_id);
  CHECK(caf::make_message_id(head.operation_data).is_response());
  CHECK(caf::make_message_id(head.operation_data).request_id() == caf::make_message_id(some_request).request_id());
  REQUIRE(content.match_elements<caf::error>());
  const error read = to_error(content.get_as<caf::error>(0));
  CHECK(read.code == errc::permission_denied);
  CHECK(read.message == "a certificate of role client may not send hive.v1.AppendRequest");
}
