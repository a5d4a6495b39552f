#include <catch2/catch.hpp>

#include "core/check.hpp"
#include "core/queries.hpp"
#include "tests/core/machine_fixture.hpp"
#include "tests/core/plan_scenario.hpp"

using namespace hive;
using namespace hive::core;

// Found by model_property_test: a step that was canceled while it was still blocked was queued by a retry, before the
// step that it needs had completed.
TEST_CASE("a retry by hand does not let a step go before its needs have completed") {
  machine_fixture fixture;
  const auto plan = create_plan(fixture, {{"first", {}}, {"second", {0}}}, v1::FAILURE_POLICY_CONTINUE);
  const auto first = plan.first_step_task_id;
  const auto second = first + 1;
  v1::Command cancel;
  cancel.mutable_cancel_task()->set_task_id(second);
  REQUIRE(is_ok(fixture.apply(cancel).status()));
  v1::Command retry;
  retry.mutable_retry_task()->set_task_id(second);

  const auto refused = fixture.apply(retry);
  CHECK(to_error(refused.status()).code == errc::failed_precondition);

  complete_by_hand(fixture, first);
  // The plan has ended with it (one step canceled): now it is the plan's retry that brings the step back.
  v1::Command again;
  again.mutable_control_plan()->set_plan_id(plan.id);
  again.mutable_control_plan()->set_action(v1::ControlPlan::ACTION_RETRY);
  REQUIRE(is_ok(fixture.apply(again).status()));
  CHECK(get_task(fixture.tables, task_id{second}, false, false)->status().state() == v1::TASK_STATE_QUEUED);
}
