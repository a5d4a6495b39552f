#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "gate/access_rules.hpp"
#include "gate/basp_format.hpp"

namespace hive::gate {

/// Why a stream must not reach BASP any further.
enum class frame_fault : std::uint8_t {
  none,
  unknown_operation,
  routed,          // a message on behalf of a third process
  not_greeted,     // the first frame is no handshake of the right side, or a later one is
  fields,          // flags, padding or numbers that this operation does not have
  size,            // a payload too long, too short, or inconsistent with what is in it
  identity,        // in the name of another process, or for another one
  receiver,        // an actor or a name that is not the peer's to reach
  content,         // a message that is not one plain protobuf message
  too_many_actors  // the peer writes as more actors at once than it may
};
std::string_view to_string(frame_fault fault);

enum class denial : std::uint8_t {
  wrong_role,       // the peer's role may not send it
  unknown_message,  // the receiver takes no such message
  too_large         // beyond payload_bytes_max
};

/// A well-formed message that was taken out of the stream. The peer gets an answer instead.
struct denied_message {
  std::uint64_t message_id = 0;
  std::uint64_t source_actor = 0;
  std::uint64_t receiver_actor = 0;
  std::string type;
  std::uint32_t bytes = 0;
  denial why = denial::wrong_role;
};

/// Stands between a peer and CAF's BASP reader, which crashes on or allocates whatever a frame says. Incremental: bytes
/// in any pieces, out come those that may pass. Pure: no I/O, no clock; memory is bounded by a few hundred bytes and
/// `senders_max` numbers. One object a connection and direction; not thread-safe.
///
/// Towards a node only these pass, every field checked: the client's handshake (the process that it names is fixed from
/// then on), heartbeats, monitor and down messages between that process and this one, and requests or messages of
/// exactly one protobuf message each that `rules` allow to the roles of the peer. Towards a client the peer is a node
/// that has proved itself: there the shape of frames is checked, not their content.
class frame_check {
 public:
  enum class side : std::uint8_t { node, client };  // who is protected

  struct options {
    side protects = side::node;
    /// Of a message. Towards a node a longer one is taken out, up to dropped_bytes_max; beyond that it is a fault.
    std::uint32_t payload_bytes_max = 2U << 20U;
    std::uint32_t dropped_bytes_max = 256U << 20U;
    std::size_t senders_max = 10'000;  // actors of the peer that write to us and have not ended
    // For side::node.
    basp::node_key own_id{};
    const access_rules* rules = nullptr;  // outlives the check
    role_set roles{};
  };

  explicit frame_check(const options& settings);

  /// Appends what may pass to `accepted`. After a fault nothing passes any more; what was appended before it is good.
  /// A frame's head is held back until it is judged, so fewer bytes may come out than went in.
  frame_fault feed(std::span<const std::uint8_t> input, std::vector<std::uint8_t>& accepted);

  /// The peer's process, once it has said hello (side::node).
  [[nodiscard]] const std::optional<basp::node_key>& peer() const { return peer_; }
  [[nodiscard]] bool is_greeted() const { return is_greeted_; }
  /// True inside of a frame. `frames` counts those that ended.
  [[nodiscard]] bool is_within_frame() const { return !is_at_boundary(); }
  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  /// Payload of the frame that is passing, as its header says; 0 if there is none.
  [[nodiscard]] std::uint32_t passing_bytes() const {
    return body_left_ > 0 && fate_ == fate::pass ? header_.payload_bytes : 0;
  }
  /// Denied since the last call, in order.
  [[nodiscard]] std::vector<denied_message> take_denied();

 private:
  enum class fate : std::uint8_t { pass, drop };

  [[nodiscard]] bool is_at_boundary() const { return held_count_ == 0 && body_left_ == 0; }
  /// Takes the header apart and says how many bytes of payload must be seen before the frame is judged.
  frame_fault on_header();
  frame_fault on_header_of_node();
  frame_fault on_header_of_client();
  frame_fault expect_message();
  /// Judges the frame by its header and the payload that was asked for.
  frame_fault on_head();
  frame_fault on_handshake(std::span<const std::uint8_t> payload);
  frame_fault on_message(std::span<const std::uint8_t> prefix);
  frame_fault note_sender();
  void end_head(std::vector<std::uint8_t>& accepted);

  options settings_;
  frame_fault fault_ = frame_fault::none;
  std::array<std::uint8_t, basp::header_bytes + basp::message_prefix_bytes_max> held_{};
  std::size_t held_count_ = 0;
  std::size_t wanted_ = basp::header_bytes;
  bool has_header_ = false;
  basp::frame_header header_;
  fate fate_ = fate::pass;
  std::uint64_t body_left_ = 0;  // of the judged frame
  bool is_greeted_ = false;
  std::optional<basp::node_key> peer_;
  std::uint64_t frames_ = 0;
  std::unordered_set<std::uint64_t> senders_;
  std::vector<denied_message> denied_;
};

}  // namespace hive::gate
