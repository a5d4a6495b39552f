#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// The bytes of BASP version 3, CAF 0.17's wire protocol, as far as the gate looks at them. Numbers are big-endian.
// Written down here because CAF's own reader trusts its peer; tests/gate compares it with what CAF writes.
namespace hive::gate::basp {

/// operation (1), padding (2), flags (1), payload length (4), operation data (8), source actor (8), destination (8).
constexpr std::size_t header_bytes = 32;

enum class operation : std::uint8_t {
  server_handshake = 0,
  client_handshake = 1,
  direct_message = 2,
  routed_message = 3,
  monitor_message = 4,
  down_message = 5,
  heartbeat = 6,
};

constexpr std::uint8_t named_receiver_flag = 0x01;
constexpr std::uint8_t select_connection_flag = 0x02;

/// The bits of a message id (the operation data of a message).
constexpr std::uint64_t response_flag = 0x8000'0000'0000'0000;
constexpr std::uint64_t answered_flag = 0x4000'0000'0000'0000;
constexpr std::uint64_t category_mask = 0x3000'0000'0000'0000;
constexpr std::uint64_t normal_category = 0x1000'0000'0000'0000;
constexpr std::uint64_t request_number_mask = 0x0FFF'FFFF'FFFF'FFFF;

/// caf::atom("SpawnServ"): the name that every CAF process asks a new peer for. Ours have no such actor.
constexpr std::uint64_t spawn_server_name = 0x03dd'd66f'3376'adfb;
/// caf::atom("default"): the kind of node id that is a number and a hash.
constexpr std::uint64_t default_node_kind = 0x0000'3e9a'ab9b'ac79;
/// caf::atom("hive"): the category of hive's errors.
constexpr std::uint64_t hive_error_category = 0x0000'0000'0fb6'eeea;

/// A process on the wire: kind of id (8), process number (4), host hash (20).
constexpr std::size_t node_id_bytes = 32;
using node_key = std::array<std::uint8_t, node_id_bytes>;

/// A down message of an actor that ended for a plain reason: two node ids and an error with an empty context.
constexpr std::size_t plain_down_bytes = 2 * node_id_bytes + 15;

/// Every message begins with its types, "@<>+hive.v1.PingRequest".
constexpr std::string_view type_list_start = "@<>+";
/// Of such a list with one type; so that its length is one byte.
constexpr std::size_t type_list_bytes_max = 127;
/// Stages (none), object number, length and text of the type list, length of the one string that follows.
constexpr std::size_t message_prefix_bytes_max = 1 + 2 + 1 + type_list_bytes_max + 5;

inline std::uint32_t read_32(const std::uint8_t* at) {
  return (std::uint32_t{at[0]} << 24U) | (std::uint32_t{at[1]} << 16U) | (std::uint32_t{at[2]} << 8U) |
         std::uint32_t{at[3]};
}

inline std::uint64_t read_64(const std::uint8_t* at) {
  return (std::uint64_t{read_32(at)} << 32U) | std::uint64_t{read_32(at + 4)};
}

struct frame_header {
  operation what = operation::heartbeat;
  std::uint16_t padding = 0;
  std::uint8_t flags = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t data = 0;
  std::uint64_t source_actor = 0;
  std::uint64_t receiver_actor = 0;
};

/// `what` may be outside of its enum.
inline frame_header read_header(std::span<const std::uint8_t, header_bytes> bytes) {
  const std::uint8_t* const at = bytes.data();
  frame_header read;
  read.what = static_cast<operation>(at[0]);
  read.padding = static_cast<std::uint16_t>((std::uint32_t{at[1]} << 8U) | std::uint32_t{at[2]});
  read.flags = at[3];
  read.payload_bytes = read_32(at + 4);
  read.data = read_64(at + 8);
  read.source_actor = read_64(at + 16);
  read.receiver_actor = read_64(at + 24);
  return read;
}

}  // namespace hive::gate::basp
