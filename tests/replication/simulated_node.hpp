#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "replication/driver.hpp"
#include "replication/memory_log_store.hpp"

namespace hive::replication::testing {

constexpr std::size_t register_count = 4;

/// What the cluster replicates: a few registers, and a hash over all commands so far.
struct register_state {
  std::array<std::uint64_t, register_count> registers{};
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  std::uint64_t commands = 0;

  void apply(std::string_view command);
  friend bool operator==(const register_state&, const register_state&) = default;
};

std::string write_command(std::uint64_t key, std::uint64_t value);

/// What a node applied in a cycle; counts once the cycle is committed.
struct applied_command {
  log_index index = 0;
  std::string payload;
  std::uint64_t hash_after = 0;
};

/// The durable side of a node. Survives its crashes.
struct simulated_disk final : public state_machine {
  std::unique_ptr<memory_log_store> log = std::make_unique<memory_log_store>();
  register_state state;
  register_state state_before;  // as of the last commit
  std::vector<applied_command> applied;
  std::string staged;

  void apply(log_index index, const log_entry& command) override;
  void commit();
  void abort();
  /// A copy of the state as the bytes of a file, and the way back.
  [[nodiscard]] std::string copy() const;
  /// Makes a staged copy the own state: in place of a rename. False: the bytes are not a copy.
  bool swap_in(const snapshot_swap& swap);
};

/// One thing that waits for a node's next cycle.
struct inbox_item {
  node_id from;
  std::unique_ptr<peer_message> message;
  std::function<void(driver&)> action;  // if there is no message
};

/// A node: its disk, and while it is up its driver and what waits for it.
struct simulated_node {
  driver_options options;
  simulated_disk disk;
  std::unique_ptr<driver> engine;  // null: down
  std::deque<inbox_item> inbox;
  std::map<snapshot_id, std::string> copies;
  std::uint64_t starts = 0;
  bool is_started = false;  // start() was called
  bool is_busy = false;     // a commit is under way
  bool has_pending_changes = false;
  effects pending;               // released when it is done
  time_ms wake_ms = 0;           // 0: none is scheduled
  time_ms stalled_until_ms = 0;  // does nothing before
  time_ms committed_ms = 0;
  std::uint64_t cycles = 0;
};

}  // namespace hive::replication::testing
