#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/plan_files/plan_files.hpp"

using namespace hive;
using nlohmann::json;

namespace {

json task(const std::string& id, const json& parents, const json& children) {
  return {{"id", id}, {"name", id}, {"parents", parents}, {"children", children}};
}

json two_tasks() {
  return {{"name", "w"},
          {"schemaVersion", "1.5"},
          {"workflow",
           {{"specification", {{"tasks", {task("a", json::array(), {"b"}), task("b", {"a"}, json::array())}}}},
            {"execution",
             {{"tasks", {{{"id", "a"}, {"runtimeInSeconds", 12}}, {{"id", "b"}, {"runtimeInSeconds", 0.5}}}}}}}}};
}

std::string refusal_of(const json& instance) {
  const auto plan = plan_files::read_wfformat(instance.dump(), "w.json", {});
  if (plan) return "accepted";
  CHECK(plan.failure().code == errc::invalid_argument);
  return plan.failure().message;
}

}  // namespace

TEST_CASE("a workflow instance becomes steps that sleep the recorded time times the scale") {
  const auto plan = plan_files::read_wfformat(two_tasks().dump(), "w.json", {0.001});
  REQUIRE(plan.has_value());
  REQUIRE(plan->steps_size() == 2);
  CHECK(plan->name() == "w");
  CHECK(plan->steps(0).task().payload() == R"({"argv":["sleep","0.012000"]})");
  CHECK(plan->steps(0).task().type() == "process");
  CHECK(plan->steps(1).needs(0) == "a");
}

TEST_CASE("an edge that is listed twice counts once") {
  json instance = two_tasks();
  instance["workflow"]["specification"]["tasks"][1]["parents"] = {"a", "a"};
  const auto plan = plan_files::read_wfformat(instance.dump(), "w.json", {});
  REQUIRE(plan.has_value());
  CHECK(plan->steps(1).needs_size() == 1);
}

TEST_CASE("malformed workflow instances are refused by path") {
  const json good = two_tasks();
  const auto broken = [&](const std::string& pointer, const json& value) {
    json instance = good;
    instance[json::json_pointer{pointer}] = value;
    return refusal_of(instance);
  };
  const std::string tasks = "/workflow/specification/tasks";
  CHECK(refusal_of(json::array()) == "w.json: schemaVersion: is missing");
  CHECK(broken("/schemaVersion", "1.4") == "w.json: schemaVersion: must be 1.5, is '1.4'");
  CHECK(broken("/workflow", 5) == "w.json: workflow: must be object, is number");
  CHECK(broken("/workflow/specification", nullptr) == "w.json: workflow.specification: must be object, is null");
  CHECK(broken(tasks, json::array()) == "w.json: workflow.specification.tasks: must not be empty");
  CHECK(broken(tasks + "/0/id", 5) == "w.json: workflow.specification.tasks[0].id: must be string, is number");
  CHECK(broken(tasks + "/1/id", "a") ==
        "w.json: workflow.specification.tasks[1].id: 'a' is already that of workflow.specification.tasks[0]");
  CHECK(broken(tasks + "/1/parents", {"z"}) ==
        "w.json: workflow.specification.tasks[0].children: 'b' is a child, but does not list 'a' as its parent");
  CHECK(broken(tasks + "/0/children", {"z"}) ==
        "w.json: workflow.specification.tasks[0].children: there is no task 'z'");
  CHECK(broken(tasks + "/0/children", json::array()) ==
        "w.json: workflow.specification.tasks[1].parents: 'a' is a parent, but does not list 'b' as its child");
  CHECK(broken(tasks + "/0/children/0", 1) ==
        "w.json: workflow.specification.tasks[0].children[0]: must be string, is number");
  CHECK(broken("/workflow/execution/tasks/1/id", "z") ==
        "w.json: workflow.execution.tasks[1].id: there is no task 'z'");
  CHECK(broken("/workflow/execution/tasks/1/id", "a") == "w.json: workflow.execution.tasks[1].id: 'a' is listed twice");
  CHECK(broken("/workflow/execution/tasks", json::array()) ==
        "w.json: workflow.execution.tasks: has no run time of 'a'");
  CHECK(broken("/workflow/execution/tasks/1/runtimeInSeconds", -1) ==
        "w.json: workflow.execution.tasks[1].runtimeInSeconds: must be from 0 to 31536000");
  CHECK(broken("/workflow/execution/tasks/1/runtimeInSeconds", "1") ==
        "w.json: workflow.execution.tasks[1].runtimeInSeconds: must be number, is string");

  json cycle = good;
  cycle["workflow"]["specification"]["tasks"] = {task("a", {"b"}, {"b"}), task("b", {"a"}, {"a"})};
  CHECK(refusal_of(cycle) == "w.json: workflow.specification.tasks[0]: the needs form a cycle: a -> b -> a");

  const auto text = plan_files::read_wfformat("{\n\"a\": }\n", "w.json", {});
  CHECK(text.failure().message == "w.json:2: is not valid JSON");
  CHECK_FALSE(plan_files::read_wfformat(good.dump(), "w.json", {-1}).has_value());
  CHECK_FALSE(plan_files::read_wfformat(good.dump(), "w.json", {std::nan("")}).has_value());
}

TEST_CASE("every real workflow instance converts with its step and edge counts") {
  const char* const given = std::getenv("HIVE_TEST_DATA");
  const std::filesystem::path folder = std::filesystem::path{given ? given : HIVE_TEST_DATA_FOLDER} / "wfinstances";
  if (!std::filesystem::is_directory(folder)) {
    WARN("skipped: no workflow instances at " << folder);
    return;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() != ".json") continue;
    INFO(entry.path());
    std::ifstream file{entry.path()};
    const json instance = json::parse(file);
    std::set<std::string> ids;
    std::set<std::pair<std::string, std::string>> edges;
    for (const json& recorded : instance["workflow"]["specification"]["tasks"]) {
      ids.insert(recorded["id"].get<std::string>());
      for (const json& parent : recorded["parents"])
        edges.emplace(parent.get<std::string>(), recorded["id"].get<std::string>());
    }

    const auto plan = plan_files::read_wfformat_file(entry.path().string(), {0.001});
    if (!plan) FAIL(plan.failure().message);
    std::set<std::string> names;
    std::set<std::pair<std::string, std::string>> needs;
    for (const auto& step : plan->steps()) {
      names.insert(step.name());
      for (const auto& need : step.needs()) needs.emplace(need, step.name());
    }
    CHECK(static_cast<std::size_t>(plan->steps_size()) == ids.size());
    CHECK(names == ids);
    CHECK(needs == edges);
    ++files;
  }
  CHECK(files == 6);
}
