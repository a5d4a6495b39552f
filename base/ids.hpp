#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace hive {

/// An integer of one kind that does not convert into another kind.
template <class Tag>
struct strong_id {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(strong_id, strong_id) = default;
  /// 0 is never handed out.
  [[nodiscard]] constexpr bool is_set() const { return value != 0; }
};

using task_id = strong_id<struct task_id_tag>;
using worker_id = strong_id<struct worker_id_tag>;
using event_seq = strong_id<struct event_seq_tag>;
using session_number = strong_id<struct session_tag>;
/// Counts from 1; the fencing token of a task.
using attempt = strong_id<struct attempt_tag>;
/// A plan is known by its parent task.
using plan_id = task_id;

/// The top 16 bits of an id are the shard, the rest is a sequence.
constexpr int id_sequence_bits = 48;
constexpr std::uint64_t make_id(std::uint16_t shard, std::uint64_t sequence) {
  return (static_cast<std::uint64_t>(shard) << id_sequence_bits) | sequence;
}
constexpr std::uint16_t shard_of(std::uint64_t id) { return static_cast<std::uint16_t>(id >> id_sequence_bits); }

/// Text form: kind prefix and 13 lower-case Crockford base32 digits, "task-0000000000g5m".
std::string to_string(task_id id);
std::string to_string(worker_id id);

/// Reads the text form (upper case, and i l o for 1 1 0, are accepted) or a plain decimal number.
/// invalid_argument names what is wrong; `field` is copied into the error.
result<task_id> parse_task_id(std::string_view text, std::string_view field = "task_id");
/// Also accepts the prefix "plan-": a plan's id is its parent task's.
result<plan_id> parse_plan_id(std::string_view text, std::string_view field = "plan_id");
result<worker_id> parse_worker_id(std::string_view text, std::string_view field = "worker_id");

}  // namespace hive

template <class Tag>
struct std::hash<hive::strong_id<Tag>> {
  std::size_t operator()(hive::strong_id<Tag> id) const noexcept { return std::hash<std::uint64_t>{}(id.value); }
};
