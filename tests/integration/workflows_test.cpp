// Real workflow graphs (WfCommons WfInstances) run to completion, and no step starts before its parents ended.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

std::filesystem::path workflow_folder() {
  const char* given = std::getenv("HIVE_TEST_DATA");
  return given != nullptr ? std::filesystem::path{given} / "wfinstances" : std::filesystem::path{HIVE_WORKFLOW_FOLDER};
}

struct graph {
  std::set<std::string> steps;
  std::set<std::pair<std::string, std::string>> edges;  // parent, child
};

graph read_graph(const std::filesystem::path& path) {
  std::ifstream file{path};
  const auto document = nlohmann::json::parse(file);
  graph read;
  for (const auto& task : document.at("workflow").at("specification").at("tasks")) {
    const auto id = task.at("id").get<std::string>();
    read.steps.insert(id);
    for (const auto& parent : task.value("parents", nlohmann::json::array())) read.edges.emplace(parent, id);
    for (const auto& child : task.value("children", nlohmann::json::array())) read.edges.emplace(id, child);
  }
  return read;
}

std::vector<v1::StepView> all_steps(client& connection, plan_id plan) {
  std::vector<v1::StepView> steps;
  std::uint32_t offset = 0;
  do {
    auto page = connection.get_execution_plan_status(plan, true, offset, 1000);
    REQUIRE(page);
    for (const auto& step : page->steps()) steps.push_back(step);
    offset = page->next_steps_offset();
  } while (offset != 0);
  return steps;
}

// First start and completion of every task, as positions in the event log.
struct history {
  std::map<std::uint64_t, std::uint64_t> started;
  std::map<std::uint64_t, std::uint64_t> completed;
};

history read_history(client& connection) {
  history seen;
  v1::ReadEventsRequest request;
  for (;;) {
    auto page = connection.read_events(request);
    REQUIRE(page);
    for (const auto& event : page->events()) {
      if (event.task().name() == "task.started") seen.started.emplace(event.task().task_id(), event.seq());
      if (event.task().name() == "task.completed") {
        CHECK(seen.completed.emplace(event.task().task_id(), event.seq()).second);
      }
    }
    if (page->cursor() >= page->last_seq()) return seen;
    request.set_after_seq(page->cursor());
  }
}

}  // namespace

TEST_CASE("a recorded workflow runs to completion in the order of its graph") {
  const auto folder = workflow_folder();
  if (!std::filesystem::exists(folder)) {
    WARN("skipped: no workflow graphs at " << folder);
    return;
  }
  const std::string name =
      GENERATE("1000genome-chameleon-2ch-100k-001", "blast-chameleon-small-001", "helloworld-chain-5-chameleon",
               "helloworld-forkjoin-10-chameleon", "montage-chameleon-2mass-01d-001", "rnaseq-dirt02-001");
  const auto path = folder / (name + ".json");
  CAPTURE(name);
  const auto expected = read_graph(path);

  node server;
  auto client = server.connect();
  const auto first = server.start_process_worker("w1", 8);
  const auto second = server.start_process_worker("w2", 8);
  // Recorded times go up to hours: each step's sleep is its thousandth.
  const auto submitted =
      server.ctl({"plan", "submit", path.string(), "--from", "wfformat", "--time-scale", "0.001", "-o", "json"});
  INFO(submitted.output);
  REQUIRE(submitted.status == 0);
  const auto plan = parse_plan_id(nlohmann::json::parse(submitted.output).at("plan_id").get<std::string>());
  REQUIRE(plan);

  const auto ended = client->wait_plan(*plan, 600s);
  REQUIRE(ended);
  CHECK(ended->status().state() == v1::PLAN_STATE_COMPLETED);
  CHECK(ended->spec().step_count() == expected.steps.size());
  CHECK(ended->spec().edge_count() == expected.edges.size());
  CHECK(ended->status().steps_completed() == expected.steps.size());

  const auto steps = all_steps(*client, *plan);
  std::map<std::string, std::uint64_t> task_of_step;
  std::set<std::pair<std::string, std::string>> edges;
  for (const auto& step : steps) {
    task_of_step[step.name()] = step.task_id();
    for (const auto& need : step.needs()) edges.emplace(need, step.name());
  }
  CHECK(edges == expected.edges);

  const auto seen = read_history(*client);
  std::size_t checked = 0;
  for (const auto& [parent, child] : expected.edges) {
    REQUIRE(task_of_step.count(parent) == 1);
    REQUIRE(task_of_step.count(child) == 1);
    if (seen.completed.at(task_of_step[parent]) >= seen.started.at(task_of_step[child])) {
      FAIL_CHECK(child << " started before " << parent << " completed");
    }
    ++checked;
  }
  CHECK(checked == expected.edges.size());
  CHECK(client->check()->violations().empty());
}
