#include "gate/frame_check.hpp"

#include <algorithm>
#include <utility>

namespace hive::gate {
namespace {

using basp::frame_header;
using basp::operation;

/// Of a handshake of a node (its interface is a list of names), of a down message and of a question by name.
constexpr std::uint32_t small_payload_bytes_max = 64U << 10U;

bool has_no_actors(const frame_header& head) { return head.source_actor == 0 && head.receiver_actor == 0; }

/// The process number and hash must not be zero: CAF takes such an id for none, and then trusts that it has one.
bool is_usable_id(std::span<const std::uint8_t> id) {
  if (basp::read_64(id.data()) != basp::default_node_kind) return false;
  const auto number = id.subspan(8, 4);
  const auto hash = id.subspan(12, 20);
  const auto is_zero = [](std::uint8_t byte) { return byte == 0; };
  return !std::all_of(number.begin(), number.end(), is_zero) && !std::all_of(hash.begin(), hash.end(), is_zero);
}

bool is_same_id(std::span<const std::uint8_t> left, const basp::node_key& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

struct message_head {
  std::string_view type;
  std::size_t bytes = 0;      // up to the content
  std::uint32_t content = 0;  // length of the content, as written
  bool is_understood = false;
};

/// A message without stages, of one object of one type that is one string. CAF writes lengths in 7-bit groups, the
/// lowest first.
message_head read_message_head(std::span<const std::uint8_t> prefix) {
  message_head read;
  constexpr std::size_t fixed = 4;
  if (prefix.size() < fixed || prefix[0] != 0 || prefix[1] != 0 || prefix[2] != 0) return read;
  const std::size_t list_bytes = prefix[3];
  if (list_bytes > basp::type_list_bytes_max || prefix.size() < fixed + list_bytes) return read;
  const auto bytes = prefix.subspan(fixed, list_bytes);
  const std::string_view list(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!list.starts_with(basp::type_list_start)) return read;
  read.type = list.substr(basp::type_list_start.size());
  std::size_t at = fixed + list_bytes;
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (at == prefix.size()) return read;
    const std::uint8_t group = prefix[at++];
    length |= std::uint64_t{group & 0x7FU} << shift;
    if ((group & 0x80U) != 0) continue;
    if (group == 0 && shift > 0) return read;  // a longer spelling of the same number
    if (length > UINT32_MAX) return read;
    read.bytes = at;
    read.content = static_cast<std::uint32_t>(length);
    read.is_understood = true;
    return read;
  }
  return read;
}

}  // namespace

std::string_view to_string(frame_fault fault) {
  switch (fault) {
    case frame_fault::none:
      return "none";
    case frame_fault::unknown_operation:
      return "unknown operation";
    case frame_fault::routed:
      return "a message on behalf of a third process";
    case frame_fault::not_greeted:
      return "a handshake out of place, or none at the start";
    case frame_fault::fields:
      return "fields that this operation does not have";
    case frame_fault::size:
      return "a payload too long, too short or inconsistent";
    case frame_fault::identity:
      return "in the name of another process, or for another one";
    case frame_fault::receiver:
      return "an actor that is not open to peers";
    case frame_fault::content:
      return "not one plain protobuf message";
    case frame_fault::too_many_actors:
      return "too many actors of the peer";
  }
  return "unknown";
}

frame_check::frame_check(const options& settings) : settings_(settings) {}

std::vector<denied_message> frame_check::take_denied() { return std::exchange(denied_, {}); }

frame_fault frame_check::feed(std::span<const std::uint8_t> input, std::vector<std::uint8_t>& accepted) {
  while (fault_ == frame_fault::none && !input.empty()) {
    if (body_left_ > 0) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input.size()));
      if (fate_ == fate::pass) accepted.insert(accepted.end(), input.begin(), input.begin() + static_cast<long>(count));
      input = input.subspan(count);
      body_left_ -= count;
      if (body_left_ == 0) ++frames_;
      continue;
    }
    const std::size_t count = std::min(wanted_ - held_count_, input.size());
    std::copy_n(input.begin(), count, held_.begin() + static_cast<long>(held_count_));
    held_count_ += count;
    input = input.subspan(count);
    if (held_count_ < wanted_) break;
    if (!has_header_) {
      fault_ = on_header();
      has_header_ = true;
      if (fault_ == frame_fault::none && wanted_ == held_count_) end_head(accepted);
    } else {
      fault_ = on_head();
      if (fault_ == frame_fault::none) end_head(accepted);
    }
  }
  return fault_;
}

void frame_check::end_head(std::vector<std::uint8_t>& accepted) {
  if (fate_ == fate::pass)
    accepted.insert(accepted.end(), held_.begin(), held_.begin() + static_cast<long>(held_count_));
  body_left_ = header_.payload_bytes - (held_count_ - basp::header_bytes);
  if (body_left_ == 0) ++frames_;
  held_count_ = 0;
  wanted_ = basp::header_bytes;
  has_header_ = false;
}

frame_fault frame_check::on_header() {
  header_ = basp::read_header(std::span(held_).first<basp::header_bytes>());
  fate_ = fate::pass;
  if (header_.what > operation::heartbeat) return frame_fault::unknown_operation;
  if (header_.what == operation::routed_message) return frame_fault::routed;
  if (header_.padding != 0) return frame_fault::fields;
  if (header_.what == operation::heartbeat) {
    if (!is_greeted_) return frame_fault::not_greeted;
    if (header_.payload_bytes != 0) return frame_fault::size;
    return header_.flags == 0 && header_.data == 0 && has_no_actors(header_) ? frame_fault::none : frame_fault::fields;
  }
  // CAF dereferences the payload of everything else without a look.
  if (header_.payload_bytes == 0) return frame_fault::size;
  return settings_.protects == side::node ? on_header_of_node() : on_header_of_client();
}

frame_fault frame_check::on_header_of_node() {
  if (header_.what == operation::server_handshake) return frame_fault::not_greeted;
  if (header_.what != operation::client_handshake && !is_greeted_) return frame_fault::not_greeted;
  const bool has_flags = header_.flags != 0;
  switch (header_.what) {
    case operation::client_handshake:
      if ((header_.flags & ~basp::select_connection_flag) != 0 || header_.data != 0 || !has_no_actors(header_))
        return frame_fault::fields;
      if (header_.payload_bytes != basp::node_id_bytes) return frame_fault::size;
      wanted_ += basp::node_id_bytes;
      return frame_fault::none;
    case operation::monitor_message:
      if (has_flags || header_.data != 0 || header_.source_actor != 0) return frame_fault::fields;
      if (header_.payload_bytes != 2 * basp::node_id_bytes) return frame_fault::size;
      wanted_ += 2 * basp::node_id_bytes;
      return frame_fault::none;
    case operation::down_message:
      if (has_flags || header_.data != 0 || header_.source_actor == 0 || header_.receiver_actor != 0)
        return frame_fault::fields;
      if (header_.payload_bytes != basp::plain_down_bytes) return frame_fault::size;
      wanted_ += basp::plain_down_bytes;
      return frame_fault::none;
    default:
      return expect_message();
  }
}

frame_fault frame_check::expect_message() {
  if (header_.flags == basp::named_receiver_flag) {
    // Every CAF process asks so once. No actor of ours has a name for peers, so nobody gets it.
    if (header_.receiver_actor != basp::spawn_server_name) return frame_fault::receiver;
    if (header_.payload_bytes > small_payload_bytes_max) return frame_fault::size;
    fate_ = fate::drop;
    return frame_fault::none;
  }
  if (header_.flags != 0 || header_.receiver_actor == 0) return frame_fault::fields;
  // Messages of a stream and answers to what was never asked: CAF takes their content for what it should be.
  constexpr auto refused = basp::response_flag | basp::answered_flag;
  if ((header_.data & refused) != 0 || (header_.data & basp::category_mask) != basp::normal_category)
    return frame_fault::fields;
  if (header_.payload_bytes > std::max(settings_.payload_bytes_max, settings_.dropped_bytes_max))
    return frame_fault::size;
  wanted_ += std::min<std::size_t>(header_.payload_bytes, basp::message_prefix_bytes_max);
  return frame_fault::none;
}

frame_fault frame_check::on_header_of_client() {
  if ((header_.what == operation::server_handshake) == is_greeted_) return frame_fault::not_greeted;
  if (header_.payload_bytes > settings_.payload_bytes_max) return frame_fault::size;
  switch (header_.what) {
    case operation::server_handshake:
      if (header_.flags != 0 || header_.data == 0 || !has_no_actors(header_)) return frame_fault::fields;
      if (header_.payload_bytes > small_payload_bytes_max) return frame_fault::size;
      is_greeted_ = true;
      return frame_fault::none;
    case operation::direct_message:
      if (header_.receiver_actor == 0) return frame_fault::fields;
      if (header_.flags == basp::named_receiver_flag) {
        fate_ = fate::drop;
        return frame_fault::none;
      }
      // Up to 1 of the category is a plain message, above it one of a stream.
      return header_.flags == 0 && (header_.data & basp::category_mask) <= basp::normal_category ? frame_fault::none
                                                                                                 : frame_fault::fields;
    case operation::monitor_message:
      if (header_.payload_bytes != 2 * basp::node_id_bytes) return frame_fault::size;
      return header_.flags == 0 && header_.data == 0 ? frame_fault::none : frame_fault::fields;
    case operation::down_message:
      if (header_.payload_bytes > small_payload_bytes_max) return frame_fault::size;
      return header_.flags == 0 && header_.data == 0 && header_.source_actor != 0 ? frame_fault::none
                                                                                  : frame_fault::fields;
    default:
      return frame_fault::not_greeted;
  }
}

frame_fault frame_check::on_head() {
  const auto payload = std::span<const std::uint8_t>(held_).first(held_count_).subspan(basp::header_bytes);
  switch (header_.what) {
    case operation::client_handshake:
      return on_handshake(payload);
    case operation::monitor_message:
    case operation::down_message: {
      const auto from = payload.first(basp::node_id_bytes);
      const auto to = payload.subspan(basp::node_id_bytes, basp::node_id_bytes);
      if (!is_same_id(from, *peer_) || !is_same_id(to, settings_.own_id)) return frame_fault::identity;
      if (header_.what == operation::monitor_message) return frame_fault::none;
      // The context of the error: object 0 of no type.
      static constexpr std::array<std::uint8_t, 6> no_context{0, 0, 3, '@', '<', '>'};
      const auto context = payload.last(no_context.size());
      if (!std::equal(context.begin(), context.end(), no_context.begin())) return frame_fault::content;
      senders_.erase(header_.source_actor);
      return frame_fault::none;
    }
    default:
      return on_message(payload);
  }
}

frame_fault frame_check::on_handshake(std::span<const std::uint8_t> payload) {
  if (!is_usable_id(payload) || is_same_id(payload, settings_.own_id)) return frame_fault::identity;
  // Saying hello as somebody else later would take over the messages for that process.
  if (peer_ && !is_same_id(payload, *peer_)) return frame_fault::identity;
  if (!peer_) std::copy(payload.begin(), payload.end(), peer_.emplace().begin());
  is_greeted_ = true;
  return frame_fault::none;
}

frame_fault frame_check::on_message(std::span<const std::uint8_t> prefix) {
  const message_head head = read_message_head(prefix);
  if (!head.is_understood) return frame_fault::content;
  if (head.bytes + std::uint64_t{head.content} != header_.payload_bytes) return frame_fault::size;
  const auto verdict = settings_.rules == nullptr
                           ? access_rules::verdict::unknown_receiver
                           : settings_.rules->check(header_.receiver_actor, head.type, settings_.roles);
  if (verdict == access_rules::verdict::unknown_receiver) return frame_fault::receiver;
  const bool is_allowed = verdict == access_rules::verdict::allowed;
  if (is_allowed && header_.payload_bytes <= settings_.payload_bytes_max) return note_sender();
  fate_ = fate::drop;
  const denial why = is_allowed                                     ? denial::too_large
                     : verdict == access_rules::verdict::wrong_role ? denial::wrong_role
                                                                    : denial::unknown_message;
  denied_.push_back({header_.data, header_.source_actor, header_.receiver_actor, std::string(head.type.substr(0, 100)),
                     header_.payload_bytes, why});
  return frame_fault::none;
}

/// CAF keeps a proxy for each until it is told that the actor ended.
frame_fault frame_check::note_sender() {
  if (header_.source_actor == 0 || senders_.contains(header_.source_actor)) return frame_fault::none;
  if (senders_.size() >= settings_.senders_max) return frame_fault::too_many_actors;
  senders_.insert(header_.source_actor);
  return frame_fault::none;
}

}  // namespace hive::gate
