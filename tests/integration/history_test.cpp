// The checker must find what it is there for.
#include "tests/integration/history.hpp"

#include <catch2/catch.hpp>

using namespace hive::test;

namespace {

history good() {
  history one;
  one.creates = {{"a", 1}, {"b", 2}, {"a", 1}};
  one.ends = {{1, "completed"}, {2, "failed"}, {3, "queued"}};
  one.log = {{5, "task.created", 1}, {6, "task.created", 2}, {7, "task.completed", 1}, {8, "task.failed", 2}};
  one.subscribers = {{"all", 4, one.log}, {"late", 6, {{7, "task.completed", 1}}}, {"none", 8, {}}};
  return one;
}

}  // namespace

TEST_CASE("a good history has no violations") { CHECK(violations(good()).empty()); }

TEST_CASE("an acknowledged task that is gone is found") {
  auto one = good();
  one.ends.erase(2);
  CHECK(violations(one) == std::vector<std::string>{"acknowledged task 2 is lost"});
}

TEST_CASE("a key with two tasks and a task with two keys are found") {
  auto one = good();
  one.creates.push_back({"a", 3});
  CHECK(violations(one) == std::vector<std::string>{"key a was answered with two tasks: 1 and 3"});
  one = good();
  one.creates.push_back({"c", 2});
  CHECK(violations(one) == std::vector<std::string>{"task 2 was answered to two keys: b and c"});
}

TEST_CASE("a task that is created or completed twice is found") {
  auto one = good();
  one.log.push_back({9, "task.completed", 1});
  one.log.push_back({10, "task.created", 2});
  CHECK(violations(one) == std::vector<std::string>{"task 2 was created 2 times", "task 1 was completed 2 times"});
}

TEST_CASE("an end without its event, and an event without its end, are found") {
  auto one = good();
  one.ends[3] = "completed";
  one.ends[1] = "running";
  CHECK(violations(one) == std::vector<std::string>{"task 1 has an event of its completion and is running",
                                                    "task 3 is completed without an event"});
}

TEST_CASE("a plan that is lost, unfinished, or finished twice is found") {
  auto one = good();
  one.plans = {{"p", 7, 1}, {"p", 7, 1}};
  one.plan_ends = {{7, {"completed", 1}}};
  one.log.push_back({9, "task.completed", 4, 7});
  one.log.push_back({10, "plan.completed", 0, 7});
  CHECK(violations(one).empty());

  auto lost = one;
  lost.plan_ends.clear();
  CHECK(violations(lost).size() == 2);  // it was acknowledged twice
  CHECK(violations(lost).front() == "acknowledged plan 7 is lost");
  auto other = one;
  other.plans[1].id = 8;
  other.plan_ends[8] = {"failed", 0};
  CHECK(violations(other) == std::vector<std::string>{"key p was answered with two plans: 7 and 8", "plan 8 is failed",
                                                      "plan 8 has 0 of 1 steps completed",
                                                      "plan 8 has 0 events of 1 completed steps",
                                                      "plan 8 has 0 events of its completion"});
  auto twice = one;
  twice.plans.pop_back();
  twice.log.push_back({11, "plan.completed", 0, 7});
  CHECK(violations(twice) == std::vector<std::string>{"plan 7 has 2 events of its completion"});
  auto unfinished = one;
  unfinished.plans.pop_back();
  unfinished.plans[0].steps = 2;
  CHECK(violations(unfinished) ==
        std::vector<std::string>{"plan 7 has 1 of 2 steps completed", "plan 7 has 1 events of 2 completed steps"});
}

TEST_CASE("a gap in the log is found") {
  auto one = good();
  one.subscribers.clear();
  one.log.erase(one.log.begin() + 1);
  CHECK(violations(one) ==
        std::vector<std::string>{"event 7 (task.completed of task 1) follows 5 (task.created of task 1)"});
}

TEST_CASE("a subscriber that misses, repeats, reorders or invents an event is found") {
  const auto with = [](std::vector<history::event> seen) {
    auto one = good();
    one.subscribers = {{"s", 4, std::move(seen)}};
    return violations(one).size();
  };
  const auto log = good().log;
  CHECK(with({log[0], log[1]}) == 0);  // not yet at the end
  CHECK(with({log[1]}) == 1);
  CHECK(with({log[0], log[2]}) == 1);
  CHECK(with({log[0], log[0]}) == 1);
  CHECK(with({log[0], log[2], log[1]}) == 1);
  CHECK(with({log[0], {6, "task.created", 9}}) == 1);
  CHECK(with({log[0], log[1], log[2], log[3], {9, "task.created", 9}}) == 1);
}
