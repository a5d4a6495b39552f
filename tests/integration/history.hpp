#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace hive::test {

/// What clients of a cluster were told while nodes failed, and what the cluster says afterwards. Plain data, so that
/// the rules can be tested without a cluster.
struct history {
  struct create {
    std::string key;  // idempotency key
    std::uint64_t task = 0;
  };
  struct plan {
    std::string key;  // idempotency key
    std::uint64_t id = 0;
    std::uint32_t steps = 0;
  };
  struct plan_end {
    std::string state;  // "completed", ...
    std::uint32_t steps_completed = 0;
  };
  struct event {
    std::uint64_t seq = 0;
    std::string name;
    std::uint64_t task = 0;
    std::uint64_t plan = 0;  // of a plan or one of its steps

    friend bool operator==(const event&, const event&) = default;
  };
  struct subscriber {
    std::string name;
    std::uint64_t after = 0;  // where it began
    std::vector<event> seen;
  };

  std::vector<create> creates;                  // each that was acknowledged, in any order
  std::map<std::uint64_t, std::string> ends;    // final state by task, as the cluster says now: "completed", ...
  std::vector<plan> plans;                      // each that was acknowledged
  std::map<std::uint64_t, plan_end> plan_ends;  // by plan, as the cluster says now
  std::vector<event> log;                       // the whole event log
  std::vector<subscriber> subscribers;
};

/// What must never be; a line each, empty if all is well:
/// - an acknowledged create whose task is not there, a key with two tasks, a task with two keys;
/// - a task that was created or completed twice, or is completed without an event of it (or the other way round);
/// - an acknowledged plan that is not there, not completed with all its steps, or whose log does not have one event of
///   its completion and one of each step's;
/// - a gap in the log or a step back;
/// - a subscriber that missed an event between its first and its last, saw one twice, out of order or differently.
std::vector<std::string> violations(const history& of);

}  // namespace hive::test
