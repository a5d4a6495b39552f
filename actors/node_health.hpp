#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <caf/actor_system.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"
#include "core/health.hpp"

namespace hive {

/// How far the process is.
enum class node_stage : std::uint8_t { starting, serving, stopping };

/// What is known of a node's health at one moment.
struct health_signs {
  node_stage stage = node_stage::serving;
  /// Since the node's own actor answered the last time; it is asked once a second.
  std::chrono::milliseconds silence{0};
  /// Since the replicator reported the last time. None for a node that stands alone.
  std::optional<std::chrono::milliseconds> report_age;
  /// For how long a node that stands alone has been writing one batch; 0: it writes none.
  std::chrono::milliseconds write_age{0};
  v1::ClusterStatusResponse status;  // role "standalone" for a node that stands alone
};

/// An actor that has not answered for so long will not: somebody should end the process.
inline constexpr std::chrono::milliseconds silence_max{10'000};
/// A replicator that has not reported for so long waits for its disk, and others may lead by now.
inline constexpr std::chrono::milliseconds report_age_max{5'000};
/// A batch that takes so long waits for a disk that may never answer.
inline constexpr std::chrono::milliseconds write_age_max{5'000};

/// Why the answer is no; nothing: it is yes. Pure. `live` depends on nothing but this process: not on the ledger, the
/// disk or other nodes, because a restart would not heal those.
std::optional<std::string> health_problem(core::health_question question, const health_signs& signs);

/// Health of this node, answered from memory at once. Any thread.
class node_health {
 public:
  using clock = std::chrono::steady_clock;

  explicit node_health(service_context_ptr context, std::function<clock::time_point()> now = clock::now);

  /// Asks `front` from now on whether it still answers, until it ends.
  void watch(caf::actor_system& system, node_actor front);
  void enter(node_stage stage) { stage_ = stage; }

  [[nodiscard]] std::optional<std::string> problem(core::health_question question) const;

 private:
  service_context_ptr context_;
  std::function<clock::time_point()> now_;
  std::atomic<node_stage> stage_{node_stage::starting};
  std::shared_ptr<std::atomic<clock::time_point>> answered_at_;  // shared with the actor that asks
};

}  // namespace hive
