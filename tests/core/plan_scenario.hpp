#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/core/machine_fixture.hpp"

/// Plans for the tests of views, in a few words.
namespace hive::core {

struct planned {
  std::string name;
  std::vector<std::uint32_t> needs;
};

struct made_plan {
  std::uint64_t id = 0;
  std::uint64_t first_step_task_id = 0;
};

inline made_plan create_plan(machine_fixture& fixture, const std::vector<planned>& steps,
                             v1::FailurePolicy policy = v1::FAILURE_POLICY_FAIL_FAST) {
  v1::Command command;
  auto& body = *command.mutable_create_plan();
  body.mutable_begin()->mutable_document()->set_name("demo");
  body.mutable_begin()->mutable_document()->set_failure_policy(policy);
  std::uint32_t edges = 0;
  for (const auto& step : steps) {
    auto& entry = *body.add_steps();
    entry.mutable_step()->set_name(step.name);
    entry.mutable_step()->set_position(static_cast<std::uint32_t>(body.steps_size() - 1));
    for (const auto need : step.needs) entry.mutable_step()->add_needs(need);
    *entry.mutable_task() = machine_fixture::spec("analysis");
    edges += static_cast<std::uint32_t>(step.needs.size());
  }
  body.mutable_begin()->set_step_count(static_cast<std::uint32_t>(steps.size()));
  body.mutable_begin()->set_edge_count(edges);
  const auto outcome = fixture.apply(command);
  REQUIRE(is_ok(outcome.status()));
  return {outcome.id(), outcome.first_step_task_id()};
}

inline void update_by_hand(machine_fixture& fixture, std::uint64_t task, v1::TaskState state) {
  v1::Command command;
  command.mutable_update_task_status()->set_task_id(task);
  command.mutable_update_task_status()->set_state(state);
  REQUIRE(is_ok(fixture.apply(command).status()));
}

/// queued -> running -> completed.
inline void complete_by_hand(machine_fixture& fixture, std::uint64_t task) {
  update_by_hand(fixture, task, v1::TASK_STATE_RUNNING);
  update_by_hand(fixture, task, v1::TASK_STATE_COMPLETED);
}

}  // namespace hive::core
