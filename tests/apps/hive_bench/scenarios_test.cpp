// Every scenario of hive-bench once, with tiny counts and real processes.
#include <signal.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/integration/node_fixture.hpp"

using namespace hive::test;

namespace {

struct tiny_run {
  std::vector<std::string> arguments;
  std::vector<std::string> figures;  // must be there, and more than 0
};

const std::map<std::string, tiny_run>& tiny_runs() {
  static const std::map<std::string, tiny_run> all{
      {"lifecycle",
       {{"--count", "200", "--warm-up", "20", "--clients", "2", "--workers", "2", "--slots", "2"},
        {"lifecycle_tasks_per_second", "lifecycle_create_tasks_per_second", "lifecycle_duration_seconds"}}},
      {"create",
       {{"--count", "500", "--batch", "100", "--payload-bytes", "10", "--no-coalescing"},
        {"create_batched_tasks_per_second", "create_single_tasks_per_second", "create_single_latency_p99_us"}}},
      {"dispatch-latency",
       {{"--rate", "200", "--duration", "0.5", "--warm-up", "10"},
        {"dispatch_latency_p50_us", "dispatch_latency_p99_us", "dispatch_latency_samples_count"}}},
      {"plan-forkjoin", {{"--count", "50"}, {"plan_forkjoin_steps_per_second", "plan_forkjoin_submit_seconds"}}},
      {"plan-chain", {{"--count", "10"}, {"plan_chain_steps_per_second", "plan_chain_ms_per_step"}}},
      {"plan-random",
       {{"--count", "60", "--layers", "5", "--needs", "2", "--seed", "3"}, {"plan_random_steps_per_second"}}},
      {"events-fanout",
       {{"--subscribers", "6", "--processes", "2", "--count", "20", "--rate", "100", "--warm-up", "5"},
        {"fanout_deliveries_per_second", "fanout_delivery_latency_p50_us", "fanout_dispatch_latency_p50_us",
         "fanout_alone_dispatch_latency_p50_us", "fanout_dispatch_p50_ratio"}}},
      {"backlog",
       {{"--count", "60"},
        {"backlog_create_tasks_per_second", "backlog_empty_lifecycle_tasks_per_second",
         "backlog_full_lifecycle_tasks_per_second", "backlog_full_dispatch_latency_p50_us", "backlog_lifecycle_ratio",
         "backlog_storage_bytes_per_task"}}},
      {"workers", {{"--workers", "6", "--processes", "2", "--duration", "0.3"}, {"workers_start_seconds"}}},
      {"restart", {{"--count", "300"}, {"restart_seconds", "restart_after_kill_seconds"}}},
      {"mixed",
       {{"--duration", "0.5", "--rate", "100", "--subscribers", "2"},
        {"mixed_tasks_per_second", "mixed_plan_steps_per_second", "mixed_reads_per_second",
         "mixed_dispatch_latency_p50_us"}}},
      {"failover",
       {{"--tries", "1", "--writers", "2"},
        {"failover_p50_seconds", "failover_max_seconds", "failover_return_p50_seconds", "failover_tries_count",
         "failover_acknowledged_tasks_count"}}},
      {"transfer",
       {{"--tries", "2"},
        {"transfer_request_latency_p50_us", "transfer_request_latency_max_us", "transfer_write_latency_p50_us",
         "transfer_write_latency_max_us", "transfer_acknowledged_tasks_count"}}},
      {"read-consistency",
       {{"--count", "20", "--warm-up", "5"},
        {"read_leader_local_latency_p50_us", "read_leader_linearizable_latency_p99_us",
         "read_follower_local_latency_p50_us", "read_follower_linearizable_latency_p99_us"}}},
  };
  return all;
}

nlohmann::json report_of(const std::string& scenario, std::vector<std::string> more) {
  std::vector<std::string> arguments{program("hive-bench"), scenario, "-o", "json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto done = run(arguments, {}, std::chrono::seconds{100});
  INFO(done.output);
  REQUIRE(done.status == 0);
  // Progress may stand before it.
  const auto start = done.output.find('{');
  REQUIRE(start != std::string::npos);
  return nlohmann::json::parse(done.output.substr(start));
}

void check_scenario(const std::string& name, const std::vector<std::string>& more = {}) {
  const temporary_folder folder;
  auto arguments = tiny_runs().at(name).arguments;
  arguments.insert(arguments.end(), {"--folder", folder.path().string()});
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto report = report_of(name, arguments);
  CHECK(report.at("scenario") == name);
  for (const auto& figure : tiny_runs().at(name).figures) {
    INFO(figure);
    REQUIRE(report.at("figures").contains(figure));
    CHECK(report.at("figures").at(figure).get<double>() > 0);
  }
  for (const auto& [figure, value] : report.at("figures").items()) {
    INFO(figure);
    CHECK(value.is_number());
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace

TEST_CASE("lifecycle runs") { check_scenario("lifecycle"); }
TEST_CASE("create runs") { check_scenario("create"); }
TEST_CASE("dispatch-latency runs") { check_scenario("dispatch-latency"); }
TEST_CASE("plan-forkjoin runs") { check_scenario("plan-forkjoin"); }
TEST_CASE("plan-chain runs") { check_scenario("plan-chain"); }
TEST_CASE("plan-random runs") { check_scenario("plan-random"); }
TEST_CASE("events-fanout runs") { check_scenario("events-fanout"); }
TEST_CASE("backlog runs") { check_scenario("backlog"); }
TEST_CASE("workers runs") { check_scenario("workers"); }
TEST_CASE("restart runs") { check_scenario("restart"); }
TEST_CASE("mixed runs") { check_scenario("mixed"); }
TEST_CASE("failover runs") { check_scenario("failover"); }
TEST_CASE("transfer runs") { check_scenario("transfer"); }
TEST_CASE("read-consistency runs") { check_scenario("read-consistency"); }
TEST_CASE("lifecycle runs on a cluster") { check_scenario("lifecycle", {"--nodes", "3"}); }
TEST_CASE("events-fanout runs on a cluster") { check_scenario("events-fanout", {"--nodes", "3"}); }

TEST_CASE("every scenario that the help names has a tiny run") {
  const auto help = run({program("hive-bench"), "--help"});
  REQUIRE(help.status == 0);
  const auto list = help.output.find("Subcommands:");
  REQUIRE(list != std::string::npos);
  std::istringstream lines{help.output.substr(list)};
  std::set<std::string> named;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && !line.empty()) {
    if (line.rfind("  ", 0) == 0 && line.size() > 2 && line[2] != ' ')
      named.insert(line.substr(2, line.find(' ', 2) - 2));
  }
  std::set<std::string> run_here;
  for (const auto& [name, how] : tiny_runs()) run_here.insert(name);
  CHECK(named == run_here);
}

TEST_CASE("every task at a rate is measured, from its intended start") {
  const auto report = report_of("dispatch-latency", {"--rate", "500", "--count", "100", "--warm-up", "7"});
  CHECK(report.at("figures").at("dispatch_latency_samples_count") == 100);
  CHECK(report.at("settings").at("rate_per_second") == 500.0);
}

TEST_CASE("the benchmark measures a node that runs already and leaves it running") {
  node measured;
  const auto report = report_of("lifecycle", {"--count", "50", "--connect", measured.endpoint()});
  CHECK(report.at("figures").at("lifecycle_tasks_count") == 50);
  const auto status = measured.connect()->status();
  REQUIRE(status);
  REQUIRE(status->tasks_size() == 1);
  CHECK(status->tasks(0).by_state(hive::v1::TASK_STATE_COMPLETED) == 50);
}

TEST_CASE("the benchmark says why it cannot start") {
  const auto refused = run({program("hive-bench"), "lifecycle", "--count", "0"});
  CHECK(refused.status == 2);
  const auto nowhere = run({program("hive-bench"), "lifecycle", "--folder", "/no/such/folder"});
  CHECK(nowhere.status == 1);
  CHECK(nowhere.output.find("/no/such/folder") != std::string::npos);
}

TEST_CASE("the benchmark says how many nodes there can be") {
  const auto refusal = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program("hive-bench"));
    const auto refused = run(arguments);
    CHECK(refused.status == 2);
    return refused.output;
  };
  using Catch::Contains;
  CHECK_THAT(refusal({"lifecycle", "--nodes", "4"}), Contains("1, 3 or 5 nodes, not 4"));
  CHECK_THAT(refusal({"lifecycle", "--nodes", "9"}), Contains("1, 3 or 5 nodes, not 9"));
  CHECK_THAT(refusal({"lifecycle", "--nodes", "3", "--connect", "localhost:1"}), Contains("only one of the two"));
  CHECK_THAT(refusal({"restart", "--nodes", "3"}), Contains("--nodes") && Contains("stands alone"));
  CHECK_THAT(refusal({"failover", "--nodes", "1"}), Contains("--nodes") && Contains("nobody to take over"));
}

TEST_CASE("a report tells how many nodes there were, if it knows") {
  CHECK(report_of("create", {"--count", "100"}).at("settings").at("nodes") == 1);
  node measured;
  const auto report = report_of("create", {"--count", "100", "--connect", measured.endpoint()});
  CHECK(report.at("settings").at("nodes").is_null());
}

TEST_CASE("a benchmark that is told to end leaves no process and no folder behind") {
  const std::string nodes = GENERATE("1", "3");
  const temporary_folder folder;
  process benchmark{{program("hive-bench"), "lifecycle", "--count", "100000000", "--nodes", nodes, "--folder",
                     folder.path().string()},
                    folder.path() / "output"};
  // hived serves as soon as its ports are known.
  std::set<pid_t> pids;
  REQUIRE(eventually([&] {
    std::error_code gone;  // files come and go meanwhile
    for (std::filesystem::recursive_directory_iterator entry{folder.path(), gone}, end; !gone && entry != end;
         entry.increment(gone)) {
      if (entry->path().filename() != "ports.json") continue;
      pid_t pid = 0;
      std::ifstream{entry->path().parent_path() / "LOCK"} >> pid;
      if (pid > 0) pids.insert(pid);
    }
    return pids.size() == std::stoul(nodes);
  }));
  for (const pid_t pid : pids) REQUIRE(::kill(pid, 0) == 0);
  benchmark.signal(SIGTERM);
  CHECK(benchmark.wait(std::chrono::seconds{10}) == 128 + SIGTERM);
  for (const auto& left : std::filesystem::directory_iterator{folder.path()}) CHECK(left.path().filename() == "output");
  for (const pid_t pid : pids) CHECK(eventually([pid] { return ::kill(pid, 0) != 0; }));
}
