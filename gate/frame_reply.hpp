#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/errc.hpp"
#include "gate/frame_check.hpp"

namespace hive::gate {

/// The BASP frame that answers a denied request with `why`, as the actor that was asked would have. Empty for a message
/// that expects no answer.
std::vector<std::uint8_t> answer_denied(const denied_message& denied, const error& why);

/// What a peer is told of a denied message.
error describe_denied(const denied_message& denied, role_set roles);

/// Puts whole frames between those of a stream that passes by in pieces. It only counts: the stream is trusted.
class frame_splicer {
 public:
  /// Goes out at the next boundary between frames.
  void insert(std::vector<std::uint8_t> frame);
  [[nodiscard]] bool has_inserts() const { return !inserts_.empty(); }
  /// Bytes that wait to be put in.
  [[nodiscard]] std::size_t insert_bytes() const { return inserts_.size(); }
  /// Appends the stream's next bytes, and between two frames what was inserted. Works with empty input too.
  void pass(std::span<const std::uint8_t> input, std::vector<std::uint8_t>& out);

 private:
  void splice(std::vector<std::uint8_t>& out);

  std::vector<std::uint8_t> inserts_;
  std::array<std::uint8_t, basp::header_bytes> head_{};
  std::size_t head_count_ = 0;
  std::uint64_t body_left_ = 0;
};

}  // namespace hive::gate
