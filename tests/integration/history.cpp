#include "tests/integration/history.hpp"

#include <algorithm>

namespace hive::test {
namespace {

using lines = std::vector<std::string>;

std::string number(std::uint64_t value) { return std::to_string(value); }
std::string describe(const history::event& one) {
  return number(one.seq) + " (" + one.name + " of task " + number(one.task) + ")";
}

void check_creates(const history& of, lines& found) {
  std::map<std::string, std::uint64_t> task_of;
  std::map<std::uint64_t, std::string> key_of;
  for (const auto& one : of.creates) {
    const auto [by_key, is_new_key] = task_of.try_emplace(one.key, one.task);
    if (!is_new_key && by_key->second != one.task) {
      found.push_back("key " + one.key + " was answered with two tasks: " + number(by_key->second) + " and " +
                      number(one.task));
    }
    const auto [by_task, is_new_task] = key_of.try_emplace(one.task, one.key);
    if (!is_new_task && by_task->second != one.key) {
      found.push_back("task " + number(one.task) + " was answered to two keys: " + by_task->second + " and " + one.key);
    }
    if (!of.ends.contains(one.task)) found.push_back("acknowledged task " + number(one.task) + " is lost");
  }
}

void check_log(const history& of, lines& found) {
  std::map<std::uint64_t, int> created;
  std::map<std::uint64_t, int> completed;
  for (std::size_t i = 0; i < of.log.size(); ++i) {
    const auto& one = of.log[i];
    if (i > 0 && one.seq != of.log[i - 1].seq + 1) {
      found.push_back("event " + describe(one) + " follows " + describe(of.log[i - 1]));
    }
    if (one.name == "task.created") ++created[one.task];
    if (one.name == "task.completed") ++completed[one.task];
  }
  for (const auto& [task, count] : created) {
    if (count > 1) found.push_back("task " + number(task) + " was created " + std::to_string(count) + " times");
  }
  for (const auto& [task, count] : completed) {
    if (count > 1) found.push_back("task " + number(task) + " was completed " + std::to_string(count) + " times");
    const auto end = of.ends.find(task);
    if (end != of.ends.end() && end->second != "completed") {
      found.push_back("task " + number(task) + " has an event of its completion and is " + end->second);
    }
  }
  for (const auto& [task, end] : of.ends) {
    if (end == "completed" && !completed.contains(task)) {
      found.push_back("task " + number(task) + " is completed without an event");
    }
  }
}

void check_plans(const history& of, lines& found) {
  std::map<std::uint64_t, std::uint32_t> steps_done;
  std::map<std::uint64_t, std::uint32_t> times_done;
  for (const auto& one : of.log) {
    if (one.name == "task.completed" && one.plan != 0) ++steps_done[one.plan];
    if (one.name == "plan.completed") ++times_done[one.plan];
  }
  std::map<std::string, std::uint64_t> plan_of;
  for (const auto& one : of.plans) {
    const std::string name = "plan " + number(one.id);
    const auto [by_key, is_new_key] = plan_of.try_emplace(one.key, one.id);
    if (!is_new_key && by_key->second != one.id) {
      found.push_back("key " + one.key + " was answered with two plans: " + number(by_key->second) + " and " +
                      number(one.id));
    }
    const auto end = of.plan_ends.find(one.id);
    if (end == of.plan_ends.end()) {
      found.push_back("acknowledged " + name + " is lost");
      continue;
    }
    if (end->second.state != "completed") found.push_back(name + " is " + end->second.state);
    if (end->second.steps_completed != one.steps) {
      found.push_back(name + " has " + number(end->second.steps_completed) + " of " + number(one.steps) +
                      " steps completed");
    }
    if (steps_done[one.id] != one.steps) {
      found.push_back(name + " has " + number(steps_done[one.id]) + " events of " + number(one.steps) +
                      " completed steps");
    }
    if (times_done[one.id] != 1) {
      found.push_back(name + " has " + number(times_done[one.id]) + " events of its completion");
    }
  }
}

/// Its events are those of the log from the first after `after` to the last that it has seen, one by one.
void check_subscriber(const history& of, const history::subscriber& who, lines& found) {
  auto expected = std::find_if(of.log.begin(), of.log.end(), [&](const auto& one) { return one.seq > who.after; });
  for (const auto& seen : who.seen) {
    if (expected == of.log.end()) {
      found.push_back(who.name + " saw event " + describe(seen) + ", which is not in the log");
      return;
    }
    if (seen != *expected) {
      found.push_back(who.name + " saw event " + describe(seen) + " in the place of " + describe(*expected));
      return;  // what follows would only repeat it
    }
    ++expected;
  }
}

}  // namespace

std::vector<std::string> violations(const history& of) {
  lines found;
  check_creates(of, found);
  check_log(of, found);
  check_plans(of, found);
  for (const auto& one : of.subscribers) check_subscriber(of, one, found);
  return found;
}

}  // namespace hive::test
