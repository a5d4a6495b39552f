#pragma once

#include <memory>
#include <mutex>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/system_config.hpp"
#include "client/timer_queue.hpp"

namespace hive {

/// What all clients and workers of a process share: one CAF system (its actors are only ports: nothing of the
/// SDK waits for CAF's scheduler) and one timer thread.
class runtime {
 public:
  static std::shared_ptr<runtime> instance();

  runtime();
  ~runtime();

  caf::actor_system& system() { return system_; }
  timer_queue& timers() { return *timers_; }
  /// A thread for what may block: code of the user that has no thread of its own, the end of a link. Begins with the
  /// first use.
  timer_queue& errands();
  /// The actor that speaks BASP.
  [[nodiscard]] const caf::actor& basp() const { return basp_; }
  /// Random, one a process.
  [[nodiscard]] std::uint64_t incarnation() const { return incarnation_; }

 private:
  system_config config_;
  caf::actor_system system_;
  caf::actor basp_;
  std::unique_ptr<timer_queue> timers_;
  std::once_flag errands_once_;
  std::unique_ptr<timer_queue> errands_;
  std::uint64_t incarnation_;
};

/// An idempotency key: 80 random bits of this process and a 48-bit count, as 32 hex digits. Keys of one process grow,
/// so that the node's index of them grows at one place instead of touching a page a key.
std::string unique_key();
std::uint64_t random_number();

}  // namespace hive
