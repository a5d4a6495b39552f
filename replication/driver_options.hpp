#pragma once

#include <cstdint>
#include <string>

#include "replication/peer_codec.hpp"
#include "replication/types.hpp"

namespace hive::replication {

/// What is done about bugs and traps of libraft 0.22.1. Always on; tests turn one off to show the failure that it
/// prevents.
struct workarounds {
  /// A change entry that is not the first of a received batch gets the first one's index, so that its commit goes
  /// unnoticed. Batches are split so that each change stands first, and what is committed is applied between the parts.
  bool splits_change_batches = true;
  /// A follower that compacted its log beyond the leader's probe point rejects for ever, and a probe from before the
  /// commit index moves that index back. Requests are lifted to our commit index, up to which both logs are the same.
  bool lifts_requests = true;
  /// A node that does not know yet that it is a voter refuses its vote. The next change waits until the voter that was
  /// promoted last has heard of it (one that is dead for long may well be replaced), and voters are not removed below
  /// voters_min, unless forced.
  bool guards_changes = true;
  /// For the same reason, and because a removed majority can be gone for good: a node that is no voter by its own log
  /// votes for a candidate that takes it for one, as Raft has it (thesis, 4.1: "without consulting their current
  /// configurations").
  bool votes_as_stand_by = true;
  /// A refused pre-vote is answered with the candidate's own proposal as term. When the node with the longest log is
  /// behind in terms it never hears of that, and no other can win: two of three nodes can be stuck for ever. The answer
  /// carries the real term instead.
  bool tells_term_to_pre_vote = true;
  /// A single-server change before the leader committed an entry of its own term can lose committed entries (Ongaro,
  /// "bug in single-server membership changes", 2015). The library does not append such an entry when its log was
  /// committed.
  bool commits_own_term = true;
  /// The library leaks the configuration of an InstallSnapshot that comes while another is being installed.
  bool drops_second_install = true;
  /// What an earlier connection left behind is discarded: an acknowledgement from before a member was emptied and added
  /// again would count for entries that it lost.
  bool discards_old_links = true;
  /// raft_init turns on a tracer that writes to stderr if an environment variable is set.
  bool silences_tracer = true;
  /// Without a seed all nodes draw the same election timeouts, and no election is ever decided.
  bool seeds_random = true;
  /// A time that goes back looks like a very long wait: a leader steps down.
  bool keeps_time_monotonic = true;
  /// What peers said while the owner was held up (by a slow commit, a signal) stands behind the next timeout: a leader
  /// steps down and a follower calls an election, with the proof that they need not in their queue. Such time does not
  /// pass for the timers.
  bool discounts_stalls = true;
  /// The library frees a received batch only if it handed no entry of it back.
  bool frees_received_batch = true;
  /// Nobody frees the buffer of the no-op that a new leader appends.
  bool frees_no_op = true;
  /// A transfer under load asks the follower to take over before it has everything, and it ignores that. Submits are
  /// refused, and the library is told only when the follower's log is complete.
  bool drains_before_transfer = true;
};

/// Times in ms of the owner's clock.
struct driver_options {
  node_id self;
  std::string address;
  /// Must differ from start to start and from node to node: election timeouts and snapshot ids come from it.
  std::uint64_t random_seed = 1;
  /// Messages of a link are numbered from here on. A driver that takes the place of another one of the same process, on
  /// links that stay, begins beyond all that it sent.
  std::uint64_t sequence_base = 0;

  std::uint32_t election_ms = 600;  // a follower waits one to two times this long
  std::uint32_t heartbeat_ms = 100;
  /// An offered snapshot counts as failed after this; above the longest copy and transfer.
  std::uint32_t install_ms_max = 600'000;
  /// A receiver asks again for a chunk after this, and gives up when none has come for four times as long.
  std::uint32_t chunk_retry_ms = 2'000;
  /// A membership change that cannot begin or complete is given up after this.
  std::uint32_t change_ms_max = 60'000;

  // Flow control for each follower: entries sent and not acknowledged. At most trailing_entries.
  std::uint32_t inflight_entries_max = 4096;
  std::uint64_t inflight_bytes_max = 64ULL << 20;
  std::uint64_t message_bytes_max = 8ULL << 20;  // one entry goes even if it is larger

  // Submitted and not committed; beyond it submit answers resource_exhausted.
  std::uint64_t uncommitted_entries_max = 65536;
  std::uint64_t uncommitted_bytes_max = 256ULL << 20;
  std::uint64_t entry_bytes_max = 128ULL << 20;
  std::size_t reads_max = 100'000;  // waiting at once

  // Kept behind the applied index, for followers that were away: so many entries, fewer if the latest ones are large.
  std::uint32_t trailing_entries = 8192;
  std::uint32_t trailing_entries_min = 16;
  std::uint64_t trailing_bytes_max = 256ULL << 20;
  std::uint32_t compact_step = 256;  // entries erased in one cycle at most are twice as many
  // Beyond either the log is compacted even if a follower that is connected needs it.
  std::uint32_t pinned_entries_max = 1U << 20;
  std::uint64_t pinned_bytes_max = 4ULL << 30;
  std::uint64_t cache_bytes_max = 64ULL << 20;
  std::uint32_t snapshots_max = 4;  // offered at once
  std::size_t voters_min = 3;       // a demotion or removal leaves that many, unless forced

  workarounds quirks;  // test only
};

}  // namespace hive::replication
