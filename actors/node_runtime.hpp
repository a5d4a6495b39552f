#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <caf/actor_system.hpp>

#include "actors/batch_writer.hpp"
#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// All actors of one node: spawned in order, wired, and stopped in order. The store and the probe of the context
/// must outlive the actor system.
class node_runtime {
 public:
  /// Loads the tables and starts the services. `is_threaded`: the ledger gets a thread of its own (tests step it by
  /// hand instead). data_loss if the tables cannot be understood.
  static result<std::unique_ptr<node_runtime>> start(caf::actor_system& system, service_context_ptr context,
                                                     bool is_threaded);

  /// The actor to publish.
  [[nodiscard]] const node_actor& front() const { return node_; }
  [[nodiscard]] const node_directory& directory() const { return directory_; }
  [[nodiscard]] const ledger_actor& writer() const { return writer_; }
  /// The writer of a member of a cluster, which the peers send to; null for a node that stands alone.
  [[nodiscard]] const replicator_actor& member() const { return member_; }

  /// Refuses new work, waits until what was admitted is durable and answered (at most `patience`), and ends all
  /// actors. Blocks: for programs, not for tests on the test coordinator.
  void stop(std::chrono::milliseconds patience);
  /// The same without waiting.
  void end_actors();

 private:
  node_runtime(caf::actor_system& system, service_context_ptr context)
      : system_(system), context_(std::move(context)) {}
  result<void> start_ledger(bool is_threaded);
  result<void> start_member(bool is_threaded);
  void spawn_all();

  caf::actor_system& system_;
  service_context_ptr context_;
  ledger_actor writer_;
  replicator_actor member_;
  copy_keeper_actor copies_;
  node_directory directory_;
  node_actor node_;
  std::vector<caf::actor> actors_;  // in the order in which they end
};

/// Tells the probe how many messages wait for each actor; for the moment of a scrape. Any thread.
void report_mailboxes(const service_context& context);

}  // namespace hive
