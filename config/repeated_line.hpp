#pragma once

#include <chrono>
#include <string>

namespace hive::config {

/// Lets a log line through when it says something new, or the same again after 30 s. Not thread-safe.
class repeated_line {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  bool allows(const std::string& text, time_point now) {
    constexpr std::chrono::seconds repeat_after{30};
    if (text == text_ && now - logged_at_ < repeat_after) return false;
    text_ = text;
    logged_at_ = now;
    return true;
  }
  void forget() { text_.clear(); }

 private:
  std::string text_;
  time_point logged_at_{};
};

}  // namespace hive::config
