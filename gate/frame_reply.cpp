#include "gate/frame_reply.hpp"

#include <algorithm>
#include <string>

namespace hive::gate {
namespace {

using bytes = std::vector<std::uint8_t>;

void put_number(bytes& out, std::uint64_t value, unsigned size) {
  for (unsigned at = size; at > 0; --at) out.push_back(static_cast<std::uint8_t>(value >> (8 * (at - 1))));
}

void put_text(bytes& out, std::string_view text) {
  std::size_t left = text.size();
  while (left >= 0x80) {
    out.push_back(static_cast<std::uint8_t>((left & 0x7FU) | 0x80U));
    left >>= 7U;
  }
  out.push_back(static_cast<std::uint8_t>(left));
  out.insert(out.end(), text.begin(), text.end());
}

void put_object(bytes& out, std::string_view types) {
  put_number(out, 0, 2);
  put_text(out, types);
}

}  // namespace

error describe_denied(const denied_message& denied, role_set roles) {
  if (denied.why == denial::too_large)
    return {errc::invalid_argument,
            "a message of " + std::to_string(denied.bytes) + " bytes is larger than this node takes",
            {}};
  if (denied.why == denial::unknown_message)
    return {errc::failed_precondition, "this node takes no " + denied.type, {}};
  return {errc::permission_denied, "a certificate of role " + to_string(roles) + " may not send " + denied.type, {}};
}

std::vector<std::uint8_t> answer_denied(const denied_message& denied, const error& why) {
  if ((denied.message_id & basp::request_number_mask) == 0 || denied.source_actor == 0) return {};
  bytes payload;
  payload.push_back(0);  // no stages
  put_object(payload, "@<>+@error");
  put_number(payload, static_cast<std::uint8_t>(why.code), 1);
  put_number(payload, basp::hive_error_category, 8);
  put_object(payload, "@<>+@str+@str");
  put_text(payload, why.message);
  put_text(payload, why.field);

  bytes frame;
  put_number(frame, static_cast<std::uint8_t>(basp::operation::direct_message), 1);
  put_number(frame, 0, 3);
  put_number(frame, payload.size(), 4);
  put_number(frame, denied.message_id | basp::response_flag, 8);
  put_number(frame, denied.receiver_actor, 8);
  put_number(frame, denied.source_actor, 8);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

void frame_splicer::insert(std::vector<std::uint8_t> frame) {
  inserts_.insert(inserts_.end(), frame.begin(), frame.end());
}

void frame_splicer::splice(std::vector<std::uint8_t>& out) {
  if (inserts_.empty() || head_count_ > 0 || body_left_ > 0) return;
  out.insert(out.end(), inserts_.begin(), inserts_.end());
  inserts_ = {};
}

void frame_splicer::pass(std::span<const std::uint8_t> input, std::vector<std::uint8_t>& out) {
  const auto take = [&](std::size_t count) {
    const auto taken = input.first(count);
    out.insert(out.end(), taken.begin(), taken.end());
    input = input.subspan(count);
    return taken;
  };
  splice(out);
  while (!input.empty()) {
    if (body_left_ > 0) {
      body_left_ -= take(static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input.size()))).size();
    } else {
      const auto taken = take(std::min(head_.size() - head_count_, input.size()));
      std::copy(taken.begin(), taken.end(), head_.begin() + static_cast<long>(head_count_));
      head_count_ += taken.size();
      if (head_count_ < head_.size()) return;
      body_left_ = basp::read_header(head_).payload_bytes;
      head_count_ = 0;
    }
    splice(out);
  }
}

}  // namespace hive::gate
