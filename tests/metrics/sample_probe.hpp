#pragma once

#include <string>

#include "metrics/node_probe.hpp"

namespace hive::metrics::testing {

inline v1::Event task_event(const std::string& name, const std::string& type, std::int64_t wait_ms = 0,
                            std::int64_t total_ms = 0) {
  v1::Event event;
  auto& task = *event.mutable_task();
  task.set_name(name);
  task.set_type(type);
  task.set_wait_ms(wait_ms);
  task.set_total_ms(total_ms);
  return event;
}

/// Uses every verb once, so that every metric has a value.
inline void fill_every_metric(node_probe& probe) {
  for (const char* name : {"task.created", "task.leased", "task.completed", "task.failed", "task.canceled"}) {
    probe.event_committed(task_event(name, "resize", 10, 20));
  }
  v1::Event lost;
  lost.mutable_worker()->set_name("worker.lost");
  probe.event_committed(lost);
  probe.batch_committed(64, std::chrono::microseconds{500}, std::chrono::milliseconds{2});
  probe.batch_failed(errc::resource_exhausted);
  probe.assignment_pushed(std::chrono::microseconds{300});
  probe.request_refused("task_manager", errc::not_found);
  probe.mailbox_depth("ledger", 12);
  probe.subscriber_lag(3, 250);
  probe.subscriber_dropped();
  probe.gate_joined();
  probe.gate_refused("no_certificate");
  probe.gate_refused("no_certificate");
  probe.gate_connections(3, 40);
  replication_figures member;
  member.role = "leader";
  member.term = 7;
  member.leader_id = 1;
  member.leader_changes = 2;
  member.commit_index = 90;
  member.applied_index = 89;
  member.log_first = 41;
  member.log_last = 91;
  member.peers = {{2, true, 1}, {3, false, {}}};
  member.snapshots_offered = 4;
  member.snapshots_installed = 5;
  member.messages_refused = 6;
  member.messages_discarded = 8;
  probe.replication(member);
  probe.on_scrape([] {
    node_probe::snapshot seen;
    auto* counts = seen.status.add_tasks();
    counts->set_type("resize");
    for (const unsigned count : {0U, 0U, 0U, 5U, 0U, 1U, 0U, 0U, 0U, 0U}) counts->add_by_state(count);
    for (const unsigned count : {0U, 0U, 2U, 0U, 0U, 0U, 7U, 0U, 0U}) seen.status.add_plans_by_state(count);
    seen.status.set_workers_active(4);
    seen.status.set_workers_lost(1);
    seen.status.set_slots_total(16);
    seen.status.set_slots_used(6);
    seen.status.set_event_seq_first(10);
    seen.status.set_event_seq_last(100);
    seen.storage = {1 << 30, 1 << 20, 1 << 21, 9};
    return seen;
  });
}

}  // namespace hive::metrics::testing
