#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hive/v1/api.pb.h"

namespace hive::metrics {

struct storage_gauges {
  std::uint64_t map_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t free_pages = 0;
};

/// How a member of a cluster does. Totals count from the start of the process.
struct replication_figures {
  std::string role;  // waiting, stand_by, follower, candidate or leader
  std::uint64_t term = 0;
  std::uint64_t leader_id = 0;  // 0: unknown
  std::uint64_t leader_changes = 0;
  std::uint64_t commit_index = 0;
  std::uint64_t applied_index = 0;
  std::uint64_t log_first = 0;
  std::uint64_t log_last = 0;
  struct peer {
    std::uint64_t node_id = 0;
    bool is_linked = false;
    std::optional<std::uint64_t> lag_entries;  // only a leader knows
  };
  std::vector<peer> peers;  // the other members
  std::uint64_t snapshots_offered = 0;
  std::uint64_t snapshots_installed = 0;
  std::uint64_t messages_refused = 0;    // malformed or impossible
  std::uint64_t messages_discarded = 0;  // of an old link
};

/// Every metric of a node, behind verbs. All members are thread-safe and cheap; none throws.
/// Names and help stand in metrics/names.hpp. Task types become a label for the first 100 types seen;
/// the rest share the label "other".
class node_probe {
 public:
  explicit node_probe(std::string version);
  ~node_probe();
  node_probe(const node_probe&) = delete;
  node_probe& operator=(const node_probe&) = delete;

  /// Called for every committed event: counters by type and outcome, and the queue wait, run time and
  /// end-to-end histograms from the event's own wait_ms and total_ms.
  void event_committed(const v1::Event& event);
  /// One ledger batch: how many commands, how long apply took and how long the commit (fsync) took.
  void batch_committed(std::size_t commands, std::chrono::nanoseconds apply, std::chrono::nanoseconds commit);
  void batch_failed(errc code);
  /// From the arrival of the command that made a task ready to the push of its assignment.
  void assignment_pushed(std::chrono::nanoseconds latency);
  void request_refused(std::string_view actor, errc code);
  void mailbox_depth(std::string_view actor, std::size_t depth);
  void subscriber_lag(std::uint64_t subscribers, std::uint64_t lag_events_max);
  void subscriber_dropped();
  /// The TLS gate. `reason` is one of its enum.
  void gate_joined();
  void gate_refused(const std::string& reason);
  void gate_connections(std::size_t joined, std::size_t pending);

  /// Of a member of a cluster, as it is now. A node that stands alone never calls it and has none of these metrics.
  void replication(replication_figures figures);
  /// Time since the last call of replication(); none if there was none. A member reports several times a second.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> replication_age() const;

  /// Gauges that are read when somebody scrapes.
  struct snapshot {
    v1::StatusResponse status;  // tasks by type and state, workers, slots, plans, event range
    storage_gauges storage;
  };
  /// Called at each scrape, from the thread that calls text(), before anything else is read: it may call verbs of the
  /// probe.
  void on_scrape(std::function<snapshot()> collect);

  /// The page /metrics: all of it in Prometheus' text format. As slow as the node's snapshot.
  [[nodiscard]] std::string text() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace hive::metrics
