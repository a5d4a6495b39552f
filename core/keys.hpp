#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hive::core {

/// Builds a key on the stack: fixed-width big-endian integers and bytes, one after the other.
class key {
 public:
  static constexpr std::size_t bytes_max = 160;

  key& u8(std::uint8_t value) { return number(value, 1); }
  key& u32(std::uint32_t value) { return number(value, 4); }
  key& u64(std::uint64_t value) { return number(value, 8); }
  /// So that a higher priority sorts first.
  key& inverted_priority(std::int32_t priority) { return u32(~(static_cast<std::uint32_t>(priority) ^ 0x80000000U)); }
  /// A time that is negative sorts as 0.
  key& time(std::int64_t unix_ms) { return u64(unix_ms < 0 ? 0 : static_cast<std::uint64_t>(unix_ms)); }
  /// Cut at bytes_max: callers bound names long before.
  key& bytes(std::string_view text) {
    const std::size_t count = text.size() < bytes_max - size_ ? text.size() : bytes_max - size_;
    std::memcpy(data_.data() + size_, text.data(), count);
    size_ += count;
    return *this;
  }

  [[nodiscard]] std::string_view view() const { return {data_.data(), size_}; }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)

 private:
  key& number(std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      data_[size_ + i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * (width - 1 - i))));
    }
    size_ += width;
    return *this;
  }

  std::array<char, bytes_max + 8> data_{};
  std::size_t size_ = 0;
};

/// Reads the big-endian integer of `width` bytes at `offset`; 0 if the text is too short.
constexpr std::uint64_t read_number(std::string_view text, std::size_t offset, std::size_t width) {
  if (text.size() < offset + width) return 0;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = (value << 8U) | static_cast<unsigned char>(text[offset + i]);
  return value;
}
constexpr std::uint32_t read_u32(std::string_view text, std::size_t offset) {
  return static_cast<std::uint32_t>(read_number(text, offset, 4));
}
constexpr std::uint64_t read_u64(std::string_view text, std::size_t offset) { return read_number(text, offset, 8); }

/// What a timer does when it is due. Values are stored: never renumber.
enum class timer_kind : std::uint8_t {
  ready = 1,              // task: scheduled -> queued
  queue_timeout = 2,      // task
  run_timeout = 3,        // task
  total_timeout = 4,      // task
  cancel_grace = 5,       // task: end it although its worker has not confirmed
  retention = 6,          // task: purge; a plan's parent purges its plan
  plan_deadline = 7,      // plan
  plan_sweep = 8,         // plan: go on with PlanStatus.sweep
  plan_upload = 9,        // plan: drop it if it is still staged
  release = 10,           // task (a completed step): go on with releasing its dependents
  event_retention = 11,   // id 0: purge old events
  worker_retention = 12,  // worker: purge its record if it is still lost or gone
};

}  // namespace hive::core
