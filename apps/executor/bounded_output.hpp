#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hive::executor {

/// Keeps the first and the last half of a stream within a limit and counts what falls out between them.
class bounded_output {
 public:
  explicit bounded_output(std::uint64_t bytes_max)
      : head_bytes_max_(bytes_max - bytes_max / 2), tail_bytes_max_(bytes_max / 2) {}

  void append(std::string_view data);

  /// All that came, kept or not.
  [[nodiscard]] std::uint64_t bytes_total() const { return bytes_total_; }
  [[nodiscard]] bool is_truncated() const { return bytes_total_ > head_.size() + tail_bytes(); }
  /// Head and tail; where bytes are missing, a line says how many.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::uint64_t tail_bytes() const {
    return tail_.size() < tail_bytes_max_ ? tail_.size() : tail_bytes_max_;
  }

  std::uint64_t head_bytes_max_;
  std::uint64_t tail_bytes_max_;
  std::uint64_t bytes_total_ = 0;
  std::string head_;
  std::string tail_;  // may hold up to twice tail_bytes_max_; cut now and then, not at every append
};

}  // namespace hive::executor
