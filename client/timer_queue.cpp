#include "client/timer_queue.hpp"

#include <optional>

namespace hive {

thread_local int service_thread::depth_ = 0;

timer_queue::timer_queue(patience with_callbacks) : thread_([this, with_callbacks] { run(with_callbacks); }) {}

timer_queue::~timer_queue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

timer_queue::timer_id timer_queue::at(steady_time due, std::function<void()> callback) {
  bool is_too_late = false;
  timer_id id = 0;
  {
    std::lock_guard lock(mutex_);
    id = next_id_++;
    due_.emplace(std::pair{due, id}, std::move(callback));
    times_.emplace(id, due);
    is_too_late = due < wakes_at_;
    if (is_too_late) wakes_at_ = due;
  }
  if (is_too_late) changed_.notify_one();
  return id;
}

void timer_queue::cancel(timer_id id) {
  std::function<void()> dropped;  // destroyed after the lock: its captures may lead back here
  std::lock_guard lock(mutex_);
  auto found = times_.find(id);
  if (found == times_.end()) return;
  auto entry = due_.find({found->second, id});
  dropped = std::move(entry->second);
  due_.erase(entry);
  times_.erase(found);
}

void timer_queue::run(patience with_callbacks) {
  std::optional<service_thread> mark;
  if (with_callbacks == patience::none) mark.emplace();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      wakes_at_ = steady_time::max();
      changed_.wait(lock);
      continue;
    }
    auto first = due_.begin();
    if (first->first.first > std::chrono::steady_clock::now()) {
      wakes_at_ = first->first.first;
      changed_.wait_until(lock, steady_time{wakes_at_});  // a copy: at() may change it meanwhile
      continue;
    }
    auto callback = std::move(first->second);
    times_.erase(first->first.second);
    due_.erase(first);
    lock.unlock();
    callback();
    callback = nullptr;
    lock.lock();
  }
}

}  // namespace hive
