#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace hive::bench {

/// A part of a scenario that runs beside others, on a thread of its own.
class background {
 public:
  explicit background(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          try {
            body();
          } catch (...) {
            failure_ = std::current_exception();
          }
          is_over_ = true;
        }) {}
  [[nodiscard]] bool is_over() const { return is_over_; }
  /// Waits for it and throws what it threw.
  void finish() {
    if (thread_.joinable()) thread_.join();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  std::exception_ptr failure_;
  std::atomic<bool> is_over_{false};
  std::jthread thread_;  // last: it uses the others
};

}  // namespace hive::bench
