#pragma once

#include <chrono>
#include <cstdint>

namespace hive::gate {

/// Lets a bounded number of log lines through in each window, and counts the others. Not thread-safe.
class log_limit {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  log_limit(std::uint64_t lines_max, std::chrono::milliseconds window) : lines_max_(lines_max), window_(window) {}

  bool allows(time_point now) {
    if (now - started_at_ >= window_) {
      started_at_ = now;
      lines_ = 0;
    }
    if (++lines_ <= lines_max_) return true;
    ++left_out_;
    return false;
  }

  /// Lines that were left out, once the window they fell into is over; then counts anew.
  std::uint64_t take_left_out(time_point now) {
    if (now - started_at_ < window_) return 0;
    const std::uint64_t count = left_out_;
    left_out_ = 0;
    return count;
  }

 private:
  std::uint64_t lines_max_;
  std::chrono::milliseconds window_;
  time_point started_at_{};
  std::uint64_t lines_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace hive::gate
