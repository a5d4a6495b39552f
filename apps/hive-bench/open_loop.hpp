#pragma once

#include <cstdint>

namespace hive::bench {

/// When each request of an open loop is meant to start: evenly, whatever became of those before. Latency counts from
/// that time, not from when the request could really be sent; so a stall of the system shows in all requests that it
/// held up (no coordinated omission).
class open_loop_schedule {
 public:
  /// `per_second` > 0.
  open_loop_schedule(std::int64_t start_ns, double per_second) : start_ns_(start_ns), per_second_(per_second) {}

  /// From the index, not from the one before: rounding does not add up.
  [[nodiscard]] std::int64_t intended_ns(std::uint64_t index) const {
    return start_ns_ + static_cast<std::int64_t>(static_cast<double>(index) * 1e9 / per_second_);
  }
  /// How many requests are meant to have started within so many seconds.
  [[nodiscard]] std::uint64_t count_within(double seconds) const {
    return static_cast<std::uint64_t>(seconds * per_second_);
  }

 private:
  std::int64_t start_ns_;
  double per_second_;
};

}  // namespace hive::bench
