#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace hive {

using steady_time = std::chrono::steady_clock::time_point;

/// Marks this thread, while it lives, as one that everything in the process waits for: it must not block.
class service_thread {
 public:
  service_thread() { ++depth_; }
  ~service_thread() { --depth_; }
  service_thread(const service_thread&) = delete;
  service_thread& operator=(const service_thread&) = delete;
  static bool is_here() { return depth_ > 0; }

 private:
  static thread_local int depth_;
};

/// One thread that runs callbacks when they are due, one after the other. Thread-safe.
class timer_queue {
 public:
  using timer_id = std::uint64_t;

  enum class patience : std::uint8_t {
    none,  // callbacks must not block: a service_thread
    much   // they may
  };

  explicit timer_queue(patience with_callbacks = patience::none);
  ~timer_queue();
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;

  timer_id at(steady_time due, std::function<void()> callback);
  timer_id after(std::chrono::milliseconds delay, std::function<void()> callback) {
    return at(std::chrono::steady_clock::now() + delay, std::move(callback));
  }
  /// Does nothing if the callback has run, is running, or `id` is 0.
  void cancel(timer_id id);

 private:
  void run(patience with_callbacks);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<steady_time, timer_id>, std::function<void()>> due_;
  std::map<timer_id, steady_time> times_;
  timer_id next_id_ = 1;
  /// Until then the thread sleeps. A timer that is due later needs no wake-up, even if it is the first: timeouts of
  /// requests come and go without one.
  steady_time wakes_at_ = steady_time::max();
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hive
