#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "tests/gate/frames.hpp"

// What must hold for any input whatever; used by the seeded test and by the libFuzzer target.
namespace hive::gate::test {

/// Reads what passed the check as CAF would, and says what CAF would not survive. `passed` may end inside of a frame.
inline std::optional<std::string> find_harm(const bytes& passed, const frame_check::options& settings) {
  std::size_t at = 0;
  bool is_first = true;
  while (passed.size() - at >= basp::header_bytes) {
    const auto head = basp::read_header(std::span(passed).subspan(at).first<basp::header_bytes>());
    at += basp::header_bytes;
    const bool is_handshake = head.what == basp::operation::client_handshake;
    if (is_first != is_handshake && is_first) return "the first frame is no handshake";
    is_first = false;
    if (head.payload_bytes > settings.payload_bytes_max) return "a payload beyond the cap";
    if (head.what == basp::operation::heartbeat) {
      if (head.payload_bytes != 0) return "a heartbeat with a payload";
      continue;
    }
    if (head.payload_bytes == 0) return "no payload where CAF reads one";
    const std::size_t seen = std::min<std::size_t>(head.payload_bytes, passed.size() - at);
    const bytes payload(passed.begin() + static_cast<long>(at), passed.begin() + static_cast<long>(at + seen));
    at += seen;
    const bool is_whole = seen == head.payload_bytes;
    if (is_handshake && (!is_whole || seen != basp::node_id_bytes || payload == to_bytes(settings.own_id)))
      return "a handshake that CAF cannot take";
    if (head.what == basp::operation::monitor_message && seen != 2 * basp::node_id_bytes) return "a short monitor";
    if (head.what != basp::operation::direct_message) continue;
    if (head.flags != 0 || head.receiver_actor == 0) return "a message by name or to nobody";
    if ((head.data >> 60U) != 1) return "an answer, or a message of a stream";
    if (seen < 5 || payload[0] != 0 || seen < 4U + payload[3]) return "a message with stages, or cut";
    const std::string types(payload.begin() + 4, payload.begin() + 4 + payload[3]);
    const auto verdict = types.size() < 4 ? access_rules::verdict::unknown_message
                                          : settings.rules->check(head.receiver_actor, types.substr(4), settings.roles);
    if (verdict != access_rules::verdict::allowed) return "a message that is not allowed: " + types;
  }
  return at == passed.size() ? std::nullopt : std::optional<std::string>("a head that was not judged");
}

/// Feeds one input whole and in pieces whose sizes come from `piece_of`; says what is wrong.
template <class PieceOf>
std::optional<std::string> try_input(const bytes& input, const frame_check::options& settings, PieceOf piece_of) {
  frame_check whole(settings);
  bytes passed;
  const auto fault = whole.feed(input, passed);
  if (passed.size() > input.size()) return "more came out than went in";
  if (auto harm = find_harm(passed, settings)) return harm;
  frame_check pieces(settings);
  bytes passed_in_pieces;
  auto left = std::span<const std::uint8_t>(input);
  frame_fault fault_in_pieces = frame_fault::none;
  while (!left.empty() && fault_in_pieces == frame_fault::none) {
    const std::size_t count = std::clamp<std::size_t>(piece_of(), 1, left.size());
    fault_in_pieces = pieces.feed(left.first(count), passed_in_pieces);
    left = left.subspan(count);
  }
  if (fault != fault_in_pieces || passed != passed_in_pieces) return "another result when it arrives in pieces";
  if (whole.take_denied().size() != pieces.take_denied().size()) return "denied another number of messages in pieces";
  return std::nullopt;
}

}  // namespace hive::gate::test
