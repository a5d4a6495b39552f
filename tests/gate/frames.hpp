#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gate/basp_format.hpp"
#include "gate/frame_check.hpp"

// BASP frames by hand, good ones and what a hostile peer could send.
namespace hive::gate::test {

using bytes = std::vector<std::uint8_t>;

inline void put(bytes& out, std::uint64_t value, unsigned size) {
  for (unsigned at = size; at > 0; --at) out.push_back(static_cast<std::uint8_t>(value >> (8 * (at - 1))));
}

inline bytes operator+(bytes left, const bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// A node id that differs by `number`.
inline basp::node_key node_id_of(std::uint8_t number) {
  bytes id;
  put(id, basp::default_node_kind, 8);
  put(id, 4'000U + number, 4);
  for (std::uint8_t at = 0; at < 20; ++at) id.push_back(static_cast<std::uint8_t>(number + at + 1));
  basp::node_key key{};
  std::copy(id.begin(), id.end(), key.begin());
  return key;
}

inline bytes to_bytes(const basp::node_key& key) { return {key.begin(), key.end()}; }

inline bytes frame(basp::operation what, std::uint8_t flags, std::uint64_t data, std::uint64_t source,
                   std::uint64_t receiver, const bytes& payload, std::int64_t claimed_bytes = -1) {
  bytes out;
  out.push_back(static_cast<std::uint8_t>(what));
  put(out, 0, 2);
  out.push_back(flags);
  put(out, claimed_bytes >= 0 ? static_cast<std::uint64_t>(claimed_bytes) : payload.size(), 4);
  put(out, data, 8);
  put(out, source, 8);
  put(out, receiver, 8);
  return out + payload;
}

inline void put_text(bytes& out, std::string_view text) {
  std::size_t left = text.size();
  for (; left >= 0x80; left >>= 7U) out.push_back(static_cast<std::uint8_t>((left & 0x7FU) | 0x80U));
  out.push_back(static_cast<std::uint8_t>(left));
  out.insert(out.end(), text.begin(), text.end());
}

inline bytes message_payload(std::string_view type, std::string_view content) {
  bytes payload{0, 0, 0};
  put_text(payload, "@<>+" + std::string(type));
  put_text(payload, content);
  return payload;
}

constexpr std::uint64_t some_request = basp::normal_category | 7;
constexpr std::uint64_t front_id = 12;
constexpr std::uint64_t peer_front_id = 13;
constexpr std::uint64_t sender_id = 40;

inline bytes handshake(const basp::node_key& from, std::uint8_t flags = 0) {
  return frame(basp::operation::client_handshake, flags, 0, 0, 0, to_bytes(from));
}
inline bytes request(std::string_view type, std::string_view content, std::uint64_t receiver = front_id,
                     std::uint64_t source = sender_id, std::uint64_t id = some_request) {
  return frame(basp::operation::direct_message, 0, id, source, receiver, message_payload(type, content));
}
inline bytes heartbeat() { return frame(basp::operation::heartbeat, 0, 0, 0, 0, {}); }
inline bytes monitor(const basp::node_key& from, const basp::node_key& to, std::uint64_t actor = front_id) {
  return frame(basp::operation::monitor_message, 0, 0, 0, actor, to_bytes(from) + to_bytes(to));
}
inline bytes down(const basp::node_key& from, const basp::node_key& to, std::uint64_t actor = sender_id) {
  bytes payload = to_bytes(from) + to_bytes(to);
  put(payload, 4, 1);
  put(payload, 0xfab'dbb9, 8);
  payload = payload + bytes{0, 0, 3, '@', '<', '>'};
  return frame(basp::operation::down_message, 0, 0, actor, 0, payload);
}

/// A node with a front for clients, and one for other nodes.
struct checked_node {
  basp::node_key own = node_id_of(1);
  basp::node_key peer = node_id_of(2);
  access_rules rules;

  checked_node() {
    rules.allow(front_id, "hive.v1.PingRequest", role::client | role::node);
    rules.allow(front_id, "hive.v1.ReportTasksRequest", role::worker | role::node);
    rules.allow(peer_front_id, "hive.v1.AppendRequest", role::node);
  }

  [[nodiscard]] frame_check::options settings(role_set roles = role::client) const {
    frame_check::options made;
    made.payload_bytes_max = 4'096;
    made.own_id = own;
    made.rules = &rules;
    made.roles = roles;
    return made;
  }
};

}  // namespace hive::gate::test
