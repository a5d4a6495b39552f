#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include <caf/actor_control_block.hpp>

#include "base/ids.hpp"

namespace hive {

/// The open sessions of this node: which actor takes a worker's assignments, and how many slots are in use. The
/// ledger writes it when it commits, before the effects of the same batch leave, so that a lease never meets an
/// unknown session. Thread-safe.
class session_table {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  struct session {
    session_number number;
    caf::strong_actor_ptr actor;
    std::uint32_t slots = 0;
    std::uint32_t used = 0;  // leases held; more than slots if it asked for tasks ahead
    time_point last_seen;    // last report; heartbeats are worker_registry's
  };
  struct totals {
    std::uint64_t slots = 0;
    std::uint64_t used = 0;
    std::uint64_t sessions = 0;
  };

  void open(worker_id worker, session_number number, caf::strong_actor_ptr actor, std::uint32_t slots) {
    const std::lock_guard lock(mutex_);
    sessions_[worker] = {number, std::move(actor), slots, 0, {}};
  }
  /// True if this session was the open one.
  bool close(worker_id worker, session_number number) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(worker);
    if (found == sessions_.end() || found->second.number != number) return false;
    sessions_.erase(found);
    return true;
  }
  void set_used(worker_id worker, std::uint32_t used) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(worker);
    if (found != sessions_.end()) found->second.used = used;
  }
  /// The worker has shown that it lives.
  void touch(worker_id worker, time_point now) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(worker);
    if (found != sessions_.end()) found->second.last_seen = now;
  }
  [[nodiscard]] std::optional<session> find(worker_id worker) const {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(worker);
    if (found == sessions_.end()) return std::nullopt;
    return found->second;
  }
  /// O(sessions).
  [[nodiscard]] totals sum() const {
    const std::lock_guard lock(mutex_);
    totals result;
    for (const auto& [worker, value] : sessions_) {
      result.slots += value.slots;
      result.used += std::min(value.used, value.slots);  // the rest waits in line
      ++result.sessions;
    }
    return result;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    sessions_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::map<worker_id, session> sessions_;
};

}  // namespace hive
