#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/plan_files/plan_files.hpp"

using namespace hive;
using nlohmann::json;

namespace {

v1::PlanDocument read(const std::string& text) {
  auto document = plan_files::read_plan(text, "plan.yaml");
  if (!document) FAIL(document.failure().message);
  return *document;
}

json payload_of(const v1::PlanStepSpec& step) { return json::parse(step.task().payload()); }

}  // namespace

TEST_CASE("a plan file with every key is read whole") {
  const v1::PlanDocument plan = read(R"(
name: build
failure_policy: continue
deadline: 1h
defaults:
  priority: 3
  requires: [linux]
  labels: {team: core, tier: "1"}
  worker_labels: {zone: a}
  retry: {max_attempts: 5, backoff: 1s, backoff_max: 30s, multiplier: 1.5, jitter: 0.25}
  timeouts: {queue: 1m, run: 30s, total: 5m}
  env: {A: one, B: two}
  cwd: /tmp
  time_limit: 20s
  output_bytes_max: 1000
  retry_exit_codes: [75]
  interpreter: [bash, -e]
steps:
  - name: fetch
    title: Get it
    run: curl example
    env: {B: three}
  - name: compile
    needs: fetch
    script: |
      make
    requires: [gcc, linux]
    labels: {tier: "2"}
    retry: {max_attempts: 1}
    priority: -2
  - name: check
    needs: [fetch, compile]
    type: analysis
    payload: {depth: 3, names: [a, "5", 05, 1.5, true, null, ~]}
    timeouts: {run: 2s}
)");
  CHECK(plan.name() == "build");
  CHECK(plan.failure_policy() == v1::FAILURE_POLICY_CONTINUE);
  CHECK(plan.deadline_ms() == 3'600'000);
  REQUIRE(plan.steps_size() == 3);

  const auto& fetch = plan.steps(0);
  CHECK(fetch.name() == "fetch");
  CHECK(fetch.task().title() == "Get it");
  CHECK(fetch.task().type() == "process");
  CHECK(fetch.task().priority() == 3);
  CHECK(payload_of(fetch) == json::parse(R"({"argv":["/bin/sh","-c","curl example"],"env":{"A":"one","B":"three"},
      "cwd":"/tmp","time_limit_ms":20000,"output_bytes_max":1000,"retry_exit_codes":[75]})"));

  const auto& compile = plan.steps(1);
  CHECK(compile.needs(0) == "fetch");
  CHECK(compile.task().priority() == -2);
  CHECK(compile.task().required_capabilities_size() == 2);
  CHECK(compile.task().retry().max_attempts() == 1);
  CHECK(compile.task().retry().backoff_initial_ms() == 1'000);
  CHECK(compile.task().retry().backoff_multiplier_permille() == 1'500);
  CHECK(compile.task().retry().jitter_permille() == 250);
  CHECK(compile.task().worker_selector(0).value() == "a");
  REQUIRE(compile.task().labels_size() == 2);
  CHECK(compile.task().labels(1).value() == "2");
  CHECK(payload_of(compile)["interpreter"] == json::parse(R"(["bash","-e"])"));
  CHECK(payload_of(compile)["script"] == "make\n");

  const auto& check = plan.steps(2);
  CHECK(check.task().type() == "analysis");
  CHECK(check.needs_size() == 2);
  CHECK(check.task().timeouts().run_ms() == 2'000);
  CHECK(check.task().timeouts().queue_ms() == 60'000);
  CHECK(payload_of(check) == json::parse(R"({"depth":3,"names":["a","5","05",1.5,true,null,null]})"));
}

TEST_CASE("JSON is read like YAML, with tabs, escapes and letters beyond 16 bits") {
  const v1::PlanDocument plan = read(
      "{\n\t\"name\":\"j\",\n\t\"steps\":[\n\t\t{\"name\":\"a\",\"argv\":[\"echo\",\"\\ud83d\\ude00 \\/ \\\\u0041 "
      "\\n\"]}]}\n");
  CHECK(payload_of(plan.steps(0))["argv"][1] == "\xF0\x9F\x98\x80 / \\u0041 \n");
}

TEST_CASE("anchors and merges of structure are written out") {
  const v1::PlanDocument plan =
      read("steps:\n- {name: a, type: t, payload: &p {x: 1}}\n- {name: b, type: t, payload: *p}\n");
  CHECK(payload_of(plan.steps(1)) == json::parse(R"({"x":1})"));
}

TEST_CASE("a plan of ten thousand steps is read") {
  std::string text = "steps:\n- {name: s0, run: 'true'}\n";
  for (int i = 1; i < 10'000; ++i) {
    text += "- {name: s" + std::to_string(i) + ", run: 'true', needs: [s" + std::to_string(i - 1) + "]}\n";
  }
  CHECK(read(text).steps_size() == 10'000);
}

TEST_CASE("a file that is not there is not found") {
  const auto document = plan_files::read_plan_file("/nonexistent/plan.yaml");
  REQUIRE_FALSE(document.has_value());
  CHECK(document.failure().code == errc::not_found);
}
