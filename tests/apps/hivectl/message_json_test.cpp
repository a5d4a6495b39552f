#include "apps/hivectl/message_json.hpp"

#include <catch2/catch.hpp>

#include "hive/v1/api.pb.h"

using namespace hive;
using nlohmann::ordered_json;

TEST_CASE("a task in JSON has text ids, ISO times, words for states and nested payloads") {
  v1::Task task;
  task.set_id(516);
  task.mutable_spec()->set_type("t");
  task.mutable_spec()->set_payload(R"({"a":[1]})");
  task.mutable_spec()->set_content_type("application/json");
  auto* label = task.mutable_spec()->add_labels();
  label->set_key("k");
  label->set_value("v");
  task.mutable_status()->set_state(v1::TASK_STATE_RUNNING);
  task.mutable_status()->set_worker_id(1);
  task.mutable_status()->set_created_unix_ms(1'700'000'000'123);
  const ordered_json root = hivectl::to_json(task);
  CHECK(root["id"] == "task-00000000000g4");
  CHECK(root["spec"]["payload"] == ordered_json::parse(R"({"a":[1]})"));
  CHECK(root["spec"]["labels"] == ordered_json::parse(R"({"k":"v"})"));
  CHECK(root["status"]["state"] == "running");
  CHECK(root["status"]["worker_id"] == "worker-0000000000001");
  CHECK(root["status"]["created_at"] == "2023-11-14T22:13:20.123Z");
  CHECK_FALSE(root["status"].contains("started_at"));
  CHECK_FALSE(root["spec"].contains("plan_id"));
}

TEST_CASE("bytes that are neither JSON nor text are base64") {
  v1::TaskResult result;
  result.set_payload("\xFF\xFE");
  CHECK(hivectl::to_json(result)["payload"]["base64"] == "//4=");
  result.set_payload("no json");
  CHECK(hivectl::to_json(result)["payload"] == "no json");
}

TEST_CASE("counts by state become an object of words") {
  v1::TypeCounts counts;
  for (std::uint64_t i = 0; i < 4; ++i) counts.add_by_state(i);
  CHECK(hivectl::to_json(counts)["by_state"] == ordered_json::parse(R"({"scheduled":1,"blocked":2,"queued":3})"));
}

TEST_CASE("texts stay texts in YAML") {
  CHECK(hivectl::to_yaml(ordered_json::parse(R"({"a":"true","b":[1,"2"],"c":[],"d":null})")) ==
        "a: \"true\"\nb:\n  - 1\n  - \"2\"\nc: []\nd: ~\n");
}
