#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "replication/types.hpp"

namespace hive::replication {

/// One message between two nodes; proto/hive/v1/replication.proto says what each is for. The first six are Raft's
/// (Ongaro and Ousterhout, figures 3.1 and 5.3; the thesis, 3.10 and 9.6), the next four ReadIndex (thesis, 6.4), the
/// last two the snapshot transfer.
struct append_entries {
  term_number term = 0;
  log_index previous_index = 0;
  term_number previous_term = 0;
  log_index commit_index = 0;
  std::vector<entry_ptr> entries;  // never null
};

struct append_result {
  term_number term = 0;
  log_index rejected_index = 0;  // 0: accepted
  log_index last_index = 0;
};

struct vote_request {
  term_number term = 0;
  log_index last_index = 0;
  term_number last_term = 0;
  bool disrupts_leader = false;
  bool is_pre_vote = false;
};

struct vote_result {
  term_number term = 0;
  bool is_granted = false;
  bool is_pre_vote = false;
};

struct install_snapshot {
  term_number term = 0;
  state_point point;
  snapshot_id snapshot;
};

struct timeout_now {
  term_number term = 0;
  log_index last_index = 0;
  term_number last_term = 0;
};

struct read_ping {
  term_number term = 0;
  std::uint64_t round = 0;
};

struct read_pong {
  term_number term = 0;
  std::uint64_t round = 0;
};

struct read_query {
  std::uint64_t query = 0;
};

struct read_answer {
  std::uint64_t query = 0;
  log_index index = 0;  // 0: refused
};

struct snapshot_pull {
  snapshot_id snapshot;
  std::uint64_t offset = 0;
};

struct snapshot_chunk {
  snapshot_id snapshot;
  std::uint64_t offset = 0;
  std::string data;
  bool is_last = false;
  bool is_gone = false;
};

using message_body =
    std::variant<append_entries, append_result, vote_request, vote_result, install_snapshot, timeout_now, read_ping,
                 read_pong, read_query, read_answer, snapshot_pull, snapshot_chunk>;

/// As it goes over a link. Session and sequence let the receiver throw away what is left of an earlier connection.
struct peer_message {
  std::uint64_t session = 0;
  std::uint64_t sequence = 0;
  message_body body;
};

}  // namespace hive::replication
