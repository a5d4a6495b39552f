#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"

namespace hive::replication {

/// A member of the cluster. 0 is nobody.
using node_id = strong_id<struct node_id_tag>;
/// Names a request of the owner, so that its completion can be matched. The owner hands them out.
using ticket = strong_id<struct ticket_tag>;
/// Names one offered copy of a node's state.
using snapshot_id = strong_id<struct snapshot_id_tag>;

/// Position in the replicated log; the first entry is 1, and 0 stands before all.
using log_index = std::uint64_t;
/// Counts elections; 0 before the first.
using term_number = std::uint64_t;
/// A time of the owner's clock in ms, whose zero does not matter. Never read here: it comes in with each cycle.
using time_ms = std::uint64_t;

/// Stored and sent: never renumber. The numbers are libraft's.
enum class entry_type : std::uint8_t { command = 1, barrier = 2, change = 3 };

struct log_entry {
  term_number term = 0;
  entry_type type = entry_type::command;
  std::string payload;  // command: the owner's bytes; change: an encoded configuration; barrier: nothing that matters
};

/// Shared by the cache, outgoing messages and the log, so that an entry is in memory once.
using entry_ptr = std::shared_ptr<const log_entry>;

/// Stored and sent: never renumber. The numbers are libraft's.
enum class member_role : std::uint8_t {
  stand_by = 0,  // gets the log, does not count for a majority
  voter = 1,
};

struct member {
  node_id id;
  std::string address;
  member_role role = member_role::voter;

  friend bool operator==(const member&, const member&) = default;
};

/// The members of a cluster as of some log entry.
struct configuration {
  std::vector<member> members;

  [[nodiscard]] const member* find(node_id id) const;
  [[nodiscard]] bool is_voter(node_id id) const;
  [[nodiscard]] std::size_t voter_count() const;

  friend bool operator==(const configuration&, const configuration&) = default;
};

/// A point of the log that the state machine has reached, with the configuration in force there.
struct state_point {
  log_index index = 0;
  term_number term = 0;
  log_index configuration_index = 0;
  configuration members;
};

enum class node_role : std::uint8_t { follower, candidate, leader };

}  // namespace hive::replication
