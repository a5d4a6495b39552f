#include "metrics/node_probe.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "metrics/names.hpp"
#include "tests/metrics/sample_probe.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::metrics {

using testing::fill_every_metric;
using testing::task_event;

namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

/// Values that the label `name` takes in lines of the metric.
std::set<std::string> label_values(const std::string& text, const std::string& metric, const std::string& name) {
  std::set<std::string> values;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(metric + "{", 0) != 0) continue;
    const auto begin = line.find(name + "=\"") + name.size() + 2;
    values.insert(line.substr(begin, line.find('"', begin) - begin));
  }
  return values;
}

}  // namespace

TEST_CASE("task events become counters and histograms by type") {
  node_probe probe{"1.2.3"};
  probe.event_committed(task_event("task.created", "resize"));
  probe.event_committed(task_event("task.created", "resize"));
  probe.event_committed(task_event("task.leased", "resize", 20));
  probe.event_committed(task_event("task.retry_scheduled", "resize"));
  probe.event_committed(task_event("task.completed", "resize", 3000, 4500));
  probe.event_committed(task_event("task.failed", "mail", 7, 8));
  probe.event_committed(task_event("task.canceled", "mail", 0, 2000));
  const auto text = probe.text();
  CHECK(has_line(text, R"(hive_tasks_created_total{type="resize"} 2)"));
  CHECK(has_line(text, R"(hive_tasks_completed_total{type="resize"} 1)"));
  CHECK(has_line(text, R"(hive_tasks_retried_total{type="resize"} 1)"));
  CHECK(has_line(text, R"(hive_tasks_failed_total{type="mail"} 1)"));
  CHECK(has_line(text, R"(hive_tasks_canceled_total{type="mail"} 1)"));
  CHECK(has_line(text, R"(hive_task_queue_wait_seconds_sum{type="resize"} 0.02)"));
  CHECK(has_line(text, R"(hive_task_queue_wait_seconds_bucket{type="resize",le="0.01"} 0)"));
  CHECK(has_line(text, R"(hive_task_queue_wait_seconds_bucket{type="resize",le="0.025"} 1)"));
  CHECK(has_line(text, R"(hive_task_run_seconds_sum{type="resize"} 3)"));
  CHECK(has_line(text, R"(hive_task_end_to_end_seconds_sum{type="resize"} 4.5)"));
  CHECK(has_line(text, R"(hive_task_end_to_end_seconds_count{type="mail"} 2)"));
  CHECK(has_line(text, R"(hive_events_committed_total 7)"));
}

TEST_CASE("what clients publish counts as an event but not as a task") {
  node_probe probe{"1.2.3"};
  auto event = task_event("task.completed", "resize", 1, 1);
  event.mutable_task()->set_is_published(true);
  probe.event_committed(event);
  CHECK(has_line(probe.text(), "hive_events_committed_total 1"));
  CHECK(probe.text().find("hive_tasks_completed_total") == std::string::npos);
}

TEST_CASE("every metric of names.hpp stands in the text") {
  node_probe probe{"1.2.3"};
  fill_every_metric(probe);
  const auto text = probe.text();
  for (const auto& what : {names::tasks_created,
                           names::tasks_completed,
                           names::tasks_failed,
                           names::tasks_retried,
                           names::tasks_canceled,
                           names::queue_wait,
                           names::run_time,
                           names::end_to_end,
                           names::dispatch_latency,
                           names::batch_commands,
                           names::batch_apply,
                           names::batch_commit,
                           names::fsyncs,
                           names::batches_failed,
                           names::workers_lost,
                           names::events_committed,
                           names::requests_refused,
                           names::mailbox_depth,
                           names::subscriber_lag,
                           names::subscribers,
                           names::tasks,
                           names::subscribers_dropped,
                           names::gate_joined,
                           names::gate_refused,
                           names::gate_connections,
                           names::workers,
                           names::slots,
                           names::plans,
                           names::event_first,
                           names::event_last,
                           names::event_length,
                           names::storage_map,
                           names::storage_used,
                           names::storage_file,
                           names::storage_free,
                           names::replication_role,
                           names::replication_term,
                           names::replication_leader,
                           names::leader_changes,
                           names::commit_index,
                           names::applied_index,
                           names::log_first,
                           names::log_last,
                           names::log_entries,
                           names::peer_linked,
                           names::peer_lag,
                           names::snapshots_offered,
                           names::snapshots_installed,
                           names::messages_refused,
                           names::messages_discarded,
                           names::build_info,
                           names::start_time,
                           names::scrape_failures}) {
    INFO(what.name);
    CHECK(text.find(std::string{"# HELP "} + what.name + " " + what.help + "\n") != std::string::npos);
  }
  CHECK(has_line(text, R"(hive_build_info{version="1.2.3"} 1)"));
  CHECK(has_line(text, R"(hive_ledger_batch_commands_sum 64)"));
  CHECK(has_line(text, R"(hive_ledger_apply_seconds_sum 0.0005)"));
  CHECK(has_line(text, R"(hive_ledger_commit_seconds_sum 0.002)"));
  CHECK(has_line(text, R"(hive_ledger_fsyncs_total 1)"));
  CHECK(has_line(text, R"(hive_ledger_batches_failed_total{code="resource_exhausted"} 1)"));
  CHECK(has_line(text, R"(hive_requests_refused_total{actor="task_manager",code="not_found"} 1)"));
  CHECK(has_line(text, R"(hive_mailbox_messages{actor="ledger"} 12)"));
  CHECK(has_line(text, R"(hive_event_subscribers 3)"));
  CHECK(has_line(text, R"(hive_event_subscriber_lag_events 250)"));
  CHECK(has_line(text, R"(hive_event_subscribers_dropped_total 1)"));
  CHECK(has_line(text, R"(hive_gate_joined_total 1)"));
  CHECK(has_line(text, R"(hive_gate_refused_total{reason="no_certificate"} 2)"));
  CHECK(has_line(text, R"(hive_gate_connections{state="joined"} 3)"));
  CHECK(has_line(text, R"(hive_gate_connections{state="pending"} 40)"));
  CHECK(has_line(text, R"(hive_tasks{state="queued",type="resize"} 5)"));
  CHECK(has_line(text, R"(hive_plans{state="running"} 2)"));
  CHECK(has_line(text, R"(hive_workers{state="lost"} 1)"));
  CHECK(has_line(text, R"(hive_slots{state="used"} 6)"));
  CHECK(has_line(text, R"(hive_slots{state="free"} 10)"));
  CHECK(has_line(text, R"(hive_event_log_events 91)"));
  CHECK(has_line(text, R"(hive_storage_free_pages 9)"));
  CHECK(has_line(text, R"(hive_replication_role{role="leader"} 1)"));
  CHECK(has_line(text, R"(hive_replication_role{role="follower"} 0)"));
  CHECK(has_line(text, R"(hive_replication_term 7)"));
  CHECK(has_line(text, R"(hive_replication_leader_id 1)"));
  CHECK(has_line(text, R"(hive_replication_leader_changes_total 2)"));
  CHECK(has_line(text, R"(hive_replication_commit_index 90)"));
  CHECK(has_line(text, R"(hive_replication_applied_index 89)"));
  CHECK(has_line(text, R"(hive_replication_log_first_index 41)"));
  CHECK(has_line(text, R"(hive_replication_log_last_index 91)"));
  CHECK(has_line(text, R"(hive_replication_log_entries 51)"));
  CHECK(has_line(text, R"(hive_replication_peer_linked{peer="2"} 1)"));
  CHECK(has_line(text, R"(hive_replication_peer_linked{peer="3"} 0)"));
  CHECK(has_line(text, R"(hive_replication_peer_lag_entries{peer="2"} 1)"));
  CHECK(text.find(R"(lag_entries{peer="3"})") == std::string::npos);
  CHECK(has_line(text, R"(hive_replication_snapshots_offered_total 4)"));
  CHECK(has_line(text, R"(hive_replication_snapshots_installed_total 5)"));
  CHECK(has_line(text, R"(hive_replication_messages_refused_total 6)"));
  CHECK(has_line(text, R"(hive_replication_messages_discarded_total 8)"));
}

TEST_CASE("a node that stands alone has no metrics of a cluster") {
  const node_probe probe{"1.2.3"};
  CHECK(probe.text().find("hive_replication") == std::string::npos);
}

TEST_CASE("promtool finds nothing to say about the metrics") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    WARN("skipped: promtool (package prometheus) is not installed");
    return;
  }
  node_probe probe{"1.2.3"};
  fill_every_metric(probe);
  const test::temporary_folder folder;
  std::ofstream{folder.path() / "metrics"} << probe.text();
  const auto said = folder.path() / "said";
  const std::string command =
      "promtool check metrics <" + (folder.path() / "metrics").string() + " >" + said.string() + " 2>&1";
  const int status = std::system(command.c_str());
  std::ostringstream output;
  output << std::ifstream{said}.rdbuf();
  INFO(output.str());
  CHECK(status == 0);
  CHECK(output.str().empty());
}

TEST_CASE("the hundred-and-first task type shares the label other") {
  node_probe probe{"1.2.3"};
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 1000; ++i) probe.event_committed(task_event("task.created", "type" + std::to_string(i)));
  }
  probe.on_scrape([] {
    node_probe::snapshot seen;
    for (int i = 0; i < 1000; ++i) {
      auto* counts = seen.status.add_tasks();
      counts->set_type("type" + std::to_string(i));
      for (int state = 0; state < 10; ++state) counts->add_by_state(state == 3 ? 1 : 0);
    }
    return seen;
  });
  const auto text = probe.text();
  CHECK(label_values(text, "hive_tasks_created_total", "type").size() == names::types_max + 1);
  CHECK(has_line(text, R"(hive_tasks_created_total{type="type99"} 2)"));
  CHECK(has_line(text, R"(hive_tasks_created_total{type="other"} 1800)"));
  CHECK(label_values(text, "hive_tasks", "type").size() == names::types_max + 1);
  CHECK(has_line(text, R"(hive_tasks{state="queued",type="other"} 900)"));
}

TEST_CASE("a task type that is called other shares the label without a clash") {
  node_probe probe{"1.2.3"};
  for (int i = 0; i < 101; ++i) {
    probe.event_committed(task_event("task.created", "other"));
    probe.event_committed(task_event("task.created", "type" + std::to_string(i)));
  }
  CHECK(has_line(probe.text(), R"(hive_tasks_created_total{type="other"} 102)"));
}

TEST_CASE("actors beyond the bound share the label other") {
  node_probe probe{"1.2.3"};
  for (std::size_t i = 0; i < 100; ++i) probe.request_refused("actor" + std::to_string(i), errc::internal);
  for (std::size_t i = 0; i < 100; ++i) probe.mailbox_depth("actor" + std::to_string(i), i);
  const auto text = probe.text();
  CHECK(label_values(text, "hive_requests_refused_total", "actor").size() == names::actors_max + 1);
  CHECK(label_values(text, "hive_mailbox_messages", "actor").size() == names::actors_max + 1);
  CHECK(has_line(text, R"(hive_requests_refused_total{actor="other",code="internal"} 68)"));
}

TEST_CASE("a label with quotes, backslashes and line breaks is escaped") {
  node_probe probe{"1.2.3"};
  probe.event_committed(task_event("task.created", "a\"b\\c\nd"));
  CHECK(has_line(probe.text(), R"(hive_tasks_created_total{type="a\"b\\c\nd"} 1)"));
}

TEST_CASE("a status that cannot be read is counted, and the counters are still served") {
  node_probe probe{"1.2.3"};
  probe.on_scrape([]() -> node_probe::snapshot { throw std::runtime_error{"the node is busy"}; });
  // The status is read first, so the very scrape that failed says so.
  CHECK(has_line(probe.text(), "hive_scrape_failures_total 1"));
  CHECK(has_line(probe.text(), "hive_scrape_failures_total 2"));
}

TEST_CASE("counts from many threads are all there") {
  node_probe probe{"1.2.3"};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&probe] {
      for (int i = 0; i < 2000; ++i) probe.event_committed(task_event("task.created", "t" + std::to_string(i % 150)));
    });
  }
  for (auto& thread : threads) thread.join();
  double sum = 0;
  std::istringstream lines{probe.text()};
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("hive_tasks_created_total{", 0) == 0) sum += std::stod(line.substr(line.rfind(' ')));
  }
  CHECK(sum == 8000);
}

}  // namespace hive::metrics
