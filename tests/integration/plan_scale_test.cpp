// Large plans through real processes.
#include <catch2/catch.hpp>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

void run_plan(v1::PlanDocument document, const std::string& what) {
  node server;
  auto client = server.connect();
  const auto first = server.start_worker("w1", 64);
  const auto second = server.start_worker("w2", 64);
  const auto step_count = static_cast<std::uint32_t>(document.steps_size());
  const auto begun_at = std::chrono::steady_clock::now();
  const auto plan = client->submit_plan(std::move(document));
  REQUIRE(plan);
  const auto ended = client->wait_plan(plan_id{plan->plan_id()}, 300s);
  REQUIRE(ended);
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_at).count();
  CHECK(ended->status().state() == v1::PLAN_STATE_COMPLETED);
  CHECK(ended->status().steps_completed() == step_count);
  WARN(what << ": " << took << " s, " << step_count / took << " steps/s");
  CHECK(client->check()->violations().empty());
}

}  // namespace

TEST_CASE("10,000 parallel steps between a fork and a join complete") {
  v1::PlanDocument document;
  add_step(document, "fork", {}, task_of("noop"));
  std::vector<std::string> middle;
  for (int i = 0; i < 10'000; ++i) {
    middle.push_back("step-" + std::to_string(i));
    add_step(document, middle.back(), {"fork"}, task_of("noop"));
  }
  add_step(document, "join", middle, task_of("noop"));
  run_plan(std::move(document), "fork, 10,000 steps, join");
}

TEST_CASE("a chain of 1,000 steps completes") {
  v1::PlanDocument document;
  for (int i = 0; i < 1'000; ++i) {
    std::vector<std::string> needs;
    if (i > 0) needs.push_back("step-" + std::to_string(i - 1));
    add_step(document, "step-" + std::to_string(i), needs, task_of("noop"));
  }
  run_plan(std::move(document), "chain of 1,000");
}
