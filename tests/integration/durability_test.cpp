// kill -9 of hived at random moments under load: nothing that was acknowledged may be lost or done twice.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

// What the node has acknowledged so far.
struct ledger_of_promises {
  std::mutex mutex;
  std::map<std::uint64_t, v1::TaskState> tasks;  // the least that each must have reached
  std::vector<std::uint64_t> plans;
};

// Creates tasks, and drives every second one by hand to its end.
void create_and_complete(client& connection, ledger_of_promises& promised, const std::atomic<bool>& is_over) {
  bool is_driven = false;
  while (!is_over) {
    const auto created = connection.create_task(task_of(is_driven ? "by_hand" : "noop"));
    if (!created) continue;
    {
      const std::lock_guard lock{promised.mutex};
      promised.tasks[created->id.value] = v1::TASK_STATE_QUEUED;
    }
    if (is_driven && connection.update_task_status(created->id, v1::TASK_STATE_RUNNING)) {
      if (connection.update_task_status(created->id, v1::TASK_STATE_COMPLETED)) {
        const std::lock_guard lock{promised.mutex};
        promised.tasks[created->id.value] = v1::TASK_STATE_COMPLETED;
      }
    }
    is_driven = !is_driven;
  }
}

v1::PlanDocument diamond(std::size_t width) {
  v1::PlanDocument document;
  document.set_name("diamond");
  add_step(document, "fork", {}, task_of("noop"));
  std::vector<std::string> middle;
  for (std::size_t i = 0; i < width; ++i) {
    middle.push_back("m" + std::to_string(i));
    add_step(document, middle.back(), {"fork"}, task_of("noop"));
  }
  add_step(document, "join", middle, task_of("noop"));
  return document;
}

void submit_plans(client& connection, ledger_of_promises& promised, const std::atomic<bool>& is_over) {
  while (!is_over) {
    const auto plan = connection.submit_plan(diamond(20));
    if (!plan) continue;
    {
      const std::lock_guard lock{promised.mutex};
      promised.plans.push_back(plan->plan_id());
    }
    (void)connection.wait_plan(plan_id{plan->plan_id()}, 2s);
  }
}

// Every promise is kept: each task is there, and as far as it was said to be.
void verify(client& connection, ledger_of_promises& promised) {
  std::map<std::uint64_t, v1::TaskState> expected;
  {
    const std::lock_guard lock{promised.mutex};
    expected = promised.tasks;
  }
  std::vector<task_id> ids;
  for (const auto& [id, state] : expected) ids.push_back(task_id{id});
  const auto stored = connection.get_tasks(ids, {false, false});
  REQUIRE(stored);
  REQUIRE(stored->size() == ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& task = (*stored)[i];
    if (!task) FAIL("acknowledged " << to_string(ids[i]) << " is lost: " << to_string(task.failure()));
    if (expected[ids[i].value] == v1::TASK_STATE_COMPLETED) {
      CHECK(task->status().state() == v1::TASK_STATE_COMPLETED);
    }
  }
  const auto checked = connection.check();
  REQUIRE(checked);
  for (const auto& violation : checked->violations()) FAIL_CHECK(violation);
}

std::size_t rounds() {
  const char* given = std::getenv("HIVE_DURABILITY_ROUNDS");
  return given == nullptr ? 50 : std::stoul(given);
}

}  // namespace

TEST_CASE("nothing acknowledged is lost and nothing is completed twice over kill -9 of the node") {
  node server;
  const auto first = server.start_worker("w1", 8);
  const auto second = server.start_worker("w2", 8);
  auto connection = server.connect();
  ledger_of_promises promised;
  std::atomic<bool> is_over{false};
  std::vector<std::thread> load;
  load.emplace_back([&] { create_and_complete(*connection, promised, is_over); });
  load.emplace_back([&] { create_and_complete(*connection, promised, is_over); });
  load.emplace_back([&] { submit_plans(*connection, promised, is_over); });

  std::mt19937 random{20'26};
  std::uniform_int_distribution<int> moment_ms{20, 400};
  for (std::size_t round = 0; round < rounds(); ++round) {
    CAPTURE(round);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{moment_ms(random)};
    eventually([&] { return std::chrono::steady_clock::now() >= until; });
    server.kill();
    server.start();
    auto observer = server.connect();
    verify(*observer, promised);
  }
  is_over = true;
  for (auto& thread : load) thread.join();

  for (const auto plan : promised.plans) {
    const auto ended = connection->wait_plan(plan_id{plan}, 60s);
    REQUIRE(ended);
    CHECK(ended->status().state() == v1::PLAN_STATE_COMPLETED);
    CHECK(ended->status().steps_completed() == 22);
  }
  verify(*connection, promised);

  std::map<std::uint64_t, int> completions;
  v1::ReadEventsRequest request;
  for (;;) {
    const auto page = connection->read_events(request);
    REQUIRE(page);
    std::uint64_t expected_seq = request.after_seq();
    for (const auto& event : page->events()) {
      CHECK(event.seq() == ++expected_seq);
      if (event.task().name() == "task.completed") ++completions[event.task().task_id()];
    }
    if (page->cursor() >= page->last_seq()) break;
    request.set_after_seq(page->cursor());
  }
  for (const auto& [id, count] : completions) {
    if (count != 1) FAIL_CHECK(to_string(task_id{id}) << " was completed " << count << " times");
  }
  WARN(rounds() << " rounds, " << promised.tasks.size() << " tasks and " << promised.plans.size()
                << " plans acknowledged, " << completions.size() << " completions");
  CHECK(promised.tasks.size() > rounds());
  CHECK(promised.plans.size() > 0);
}
