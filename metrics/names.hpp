#pragma once

#include <array>
#include <string_view>

/// Every metric of a node: name, help and labels, in one place. Prometheus conventions: base units, `_total` for
/// counters only. Label sets are bounded: `type` by types_max, `actor` by actors_max, the rest are enums.
namespace hive::metrics::names {

struct metric {
  const char* name;
  const char* help;
};

/// Values of the label `type` and `actor` before the rest share `other`.
inline constexpr std::size_t types_max = 100;
inline constexpr std::size_t actors_max = 32;
inline constexpr const char* other = "other";

namespace label {
inline constexpr const char* type = "type";        // task type
inline constexpr const char* state = "state";      // of a task, worker, plan or slot
inline constexpr const char* actor = "actor";      // task_manager, ledger, ...
inline constexpr const char* code = "code";        // hive::errc by name
inline constexpr const char* reason = "reason";    // gate::refusal by name
inline constexpr const char* version = "version";  // of hive
inline constexpr const char* role = "role";        // of the node in its cluster
inline constexpr const char* peer = "peer";        // node_id of another member; 64 at most
}  // namespace label

// Counters, by type.
inline constexpr metric tasks_created{"hive_tasks_created_total",
                                      "Tasks created by a request of their own; steps of plans are not counted."};
inline constexpr metric tasks_completed{"hive_tasks_completed_total", "Tasks that completed."};
inline constexpr metric tasks_failed{"hive_tasks_failed_total", "Tasks that failed for good."};
inline constexpr metric tasks_retried{"hive_tasks_retried_total", "Attempts that failed and were scheduled again."};
inline constexpr metric tasks_canceled{"hive_tasks_canceled_total", "Tasks that were canceled."};
// Histograms, by type.
inline constexpr metric queue_wait{"hive_task_queue_wait_seconds", "Time from ready to leased, of an attempt."};
inline constexpr metric run_time{"hive_task_run_seconds", "Run time of an attempt that ended the task."};
inline constexpr metric end_to_end{"hive_task_end_to_end_seconds", "Time from creation to a final state."};
// Dispatch and ledger.
inline constexpr metric dispatch_latency{"hive_dispatch_latency_seconds",
                                         "Time from the arrival of the command that made a task ready to its push."};
inline constexpr metric batch_commands{"hive_ledger_batch_commands", "Commands in a ledger batch."};
inline constexpr metric batch_apply{"hive_ledger_apply_seconds", "Time to apply a ledger batch."};
inline constexpr metric batch_commit{"hive_ledger_commit_seconds", "Time to make a ledger batch durable."};
inline constexpr metric fsyncs{"hive_ledger_fsyncs_total", "Durable commits of the ledger, one sync each."};
inline constexpr metric batches_failed{"hive_ledger_batches_failed_total",
                                       "Ledger batches that could not be committed."};
inline constexpr metric events_committed{"hive_events_committed_total", "Events committed to the log."};
inline constexpr metric workers_lost{"hive_workers_lost_total", "Workers declared lost."};
// Requests and actors.
inline constexpr metric requests_refused{"hive_requests_refused_total", "Requests answered with an error."};
inline constexpr metric mailbox_depth{"hive_mailbox_messages", "Messages that wait in an actor's mailbox."};
inline constexpr metric subscriber_lag{"hive_event_subscriber_lag_events",
                                       "Events that the slowest subscriber is behind."};
inline constexpr metric subscribers{"hive_event_subscribers", "Subscribers of the event log."};
inline constexpr metric subscribers_dropped{"hive_event_subscribers_dropped_total",
                                            "Subscribers dropped for being too slow."};
// The TLS gate.
inline constexpr metric gate_joined{"hive_gate_joined_total", "Connections that the TLS gate has let in."};
inline constexpr metric gate_refused{"hive_gate_refused_total",
                                     "Connections that the TLS gate ended and messages that it took out, by reason."};
inline constexpr metric gate_connections{"hive_gate_connections",
                                         "Open connections of the TLS gate: joined, or still in their handshake."};
// Gauges that are read at a scrape.
inline constexpr metric tasks{"hive_tasks", "Tasks by type and state."};
inline constexpr metric workers{"hive_workers", "Workers by state."};
inline constexpr metric slots{"hive_slots", "Slots of the active workers, used and free."};
inline constexpr metric plans{"hive_plans", "Plans by state."};
inline constexpr metric event_first{"hive_event_log_first_seq", "Sequence number of the oldest event kept."};
inline constexpr metric event_last{"hive_event_log_last_seq", "Sequence number of the newest event."};
inline constexpr metric event_length{"hive_event_log_events", "Events kept in the log."};
inline constexpr metric storage_map{"hive_storage_map_bytes",
                                    "Size of the LMDB map: the storage cannot grow beyond it."};
inline constexpr metric storage_used{"hive_storage_used_bytes", "LMDB pages in use, without the free list."};
inline constexpr metric storage_file{"hive_storage_file_bytes", "Disk blocks that the LMDB file takes."};
inline constexpr metric storage_free{"hive_storage_free_pages", "Pages in the LMDB free list."};
// A member of a cluster; read at a scrape. Absent on a node that stands alone.
inline constexpr metric replication_role{"hive_replication_role", "1 for the role that this node has, 0 for others."};
inline constexpr metric replication_term{"hive_replication_term", "Raft's term: grows with every election."};
inline constexpr metric replication_leader{"hive_replication_leader_id", "Node that leads; 0 if none is known."};
inline constexpr metric leader_changes{"hive_replication_leader_changes_total",
                                       "Times that another leader became known to this node."};
inline constexpr metric commit_index{"hive_replication_commit_index",
                                     "Last entry of the log that is known to be on a majority."};
inline constexpr metric applied_index{"hive_replication_applied_index", "Last entry of the log that was applied."};
inline constexpr metric log_first{"hive_replication_log_first_index", "First entry of the log that is kept."};
inline constexpr metric log_last{"hive_replication_log_last_index", "Last entry of the log."};
inline constexpr metric log_entries{"hive_replication_log_entries", "Entries of the log that are kept."};
inline constexpr metric peer_linked{"hive_replication_peer_linked", "1 if this node can send to the peer, else 0."};
inline constexpr metric peer_lag{"hive_replication_peer_lag_entries",
                                 "Entries that the peer has not acknowledged; known to the leader only."};
inline constexpr metric snapshots_offered{"hive_replication_snapshots_offered_total",
                                          "Copies of the state offered to followers too far behind."};
inline constexpr metric snapshots_installed{"hive_replication_snapshots_installed_total",
                                            "Copies of another node's state that replaced this one's."};
inline constexpr metric messages_refused{"hive_replication_messages_refused_total",
                                         "Messages of peers that were malformed or impossible."};
inline constexpr metric messages_discarded{"hive_replication_messages_discarded_total",
                                           "Messages of peers that came over a connection no longer in use."};
// The node itself.
inline constexpr metric build_info{"hive_build_info", "Always 1; the version is a label."};
inline constexpr metric start_time{"hive_process_start_time_seconds", "Start of the process, in seconds since 1970."};
inline constexpr metric scrape_failures{"hive_scrape_failures_total",
                                        "Scrapes for which the node's status could not be read."};

/// Values of the label `role`.
inline constexpr std::array cluster_roles{"waiting", "stand_by", "follower", "candidate", "leader"};

/// Bucket bounds in seconds, 1-2.5-5: waits and runs of tasks, 1 ms to 1 hour.
inline constexpr std::array task_seconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,
                                         1.0,   2.5,    5.0,   10.0, 30.0,  60.0, 300., 900., 3600.0};
/// Dispatch and ledger, 50 us to 5 s.
inline constexpr std::array ledger_seconds{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                           0.025,   0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0};
inline constexpr std::array batch_sizes{1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0};

}  // namespace hive::metrics::names
