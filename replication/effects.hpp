#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/errc.hpp"
#include "replication/peer_message.hpp"

namespace hive::replication {

struct outgoing_message {
  node_id to;
  peer_message message;
};

/// The answer to a submit, read, change or transfer.
struct completion {
  ticket request;
  std::optional<error> failure;
  /// With a failure: the request may still take effect (leadership was lost on the way). Retry with an idempotency key.
  bool is_outcome_unknown = false;
  log_index index = 0;  // submit: of its last command; read: up to where the state is applied
};

/// Read up to `bytes_max` bytes at `offset` of the copy `id`, and answer with driver::snapshot_bytes. At the first one
/// of an id the owner makes the copy; the state in it must have reached `index`.
struct snapshot_read {
  snapshot_id id;
  log_index index = 0;
  std::uint64_t offset = 0;
  std::size_t bytes_max = 0;
};

/// Append to the staged file (offset 0: begin a new one), and answer with driver::snapshot_written.
struct snapshot_write {
  std::uint64_t offset = 0;
  std::string data;
  bool is_last = false;
};

/// The staged file is complete: put it in place of the own state. See driver::snapshot_installed.
struct snapshot_swap {
  state_point point;
  term_number term = 0;
  node_id voted_for;
};

/// What the owner must do after the commit of a cycle, and never before it.
struct effects {
  std::vector<outgoing_message> messages;  // in this order for each receiver
  std::vector<completion> completions;
  std::vector<snapshot_read> snapshot_reads;
  std::vector<snapshot_id> snapshots_closed;  // drop these copies
  std::optional<snapshot_write> write;
  std::optional<snapshot_swap> swap;
  bool discards_staged = false;       // an installation was given up: drop the staged file
  bool is_role_changed = false;       // role, term or known leader
  bool is_another_cycle_due = false;  // compaction has more to do; run an empty cycle when idle
};

}  // namespace hive::replication
