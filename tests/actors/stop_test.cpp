// What happens to requests that are under way when the node stops.
#include "tests/actors/fixture.hpp"

namespace hive {
namespace {

/// More steps than one command takes, so that it is staged in parts.
v1::CreatePlanRequest large_plan() {
  constexpr int steps = 1'500;
  v1::CreatePlanRequest request;
  for (int i = 0; i < steps; ++i) {
    auto& step = *request.mutable_document()->add_steps();
    step.set_name("s" + std::to_string(i));
    step.mutable_task()->set_type("noop");
  }
  return request;
}

struct stopping_fixture : test::node_fixture {
  stopping_fixture() { start(); }

  /// Does something when the first steps of a plan are being written.
  void at_first_step(const std::function<void()>& act) {
    store.on_put([act, is_done = false](core::table where, std::string_view) mutable {
      if (where != core::table::plan_step || is_done) return;
      is_done = true;
      act();
    });
  }
  result<v1::CreatePlanResponse> create_plan(const v1::CreatePlanRequest& request) {
    const auto asker = system.spawn(test::recording_session, std::make_shared<test::session_inbox>());
    sessions.push_back(asker);
    return ask_as<v1::CreatePlanResponse>(asker, supervisor, request);
  }

  caf::actor supervisor;
};

}  // namespace

TEST_CASE_METHOD(stopping_fixture, "a plan that is being staged when the node stops is answered as unavailable") {
  supervisor = of<caf::actor>(runtime->directory().plan_supervisor);
  at_first_step([this] {
    CHECK(context->work_admission->commands() == 1);  // so the node waits for it
    context->is_stopping = true;
  });
  const auto refused = create_plan(large_plan());
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::unavailable);
  CHECK(context->work_admission->commands() == 0);
  CHECK(store.tables().size(core::table::plan_status) == 0);  // dropped again
  check_tables();
}

TEST_CASE_METHOD(stopping_fixture, "a plan that is not done when the actors end is answered as unavailable") {
  supervisor = of<caf::actor>(runtime->directory().plan_supervisor);
  at_first_step([this] { runtime->end_actors(); });
  const auto refused = create_plan(large_plan());
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::unavailable);
}

TEST_CASE_METHOD(stopping_fixture, "a stopping node refuses plans, parts of plans and checks") {
  supervisor = of<caf::actor>(runtime->directory().plan_supervisor);
  context->is_stopping = true;
  const auto plan = create_plan(large_plan());
  REQUIRE_FALSE(plan);
  CHECK(plan.failure().code == errc::unavailable);
  const auto part = ask<v1::UploadPlanPartResponse>(supervisor, v1::UploadPlanPartRequest{});
  REQUIRE_FALSE(part);
  CHECK(part.failure().code == errc::unavailable);
  const auto check = ask<v1::CheckResponse>(caf::actor_cast<caf::actor>(runtime->front()), v1::CheckRequest{});
  REQUIRE_FALSE(check);
  CHECK(check.failure().code == errc::unavailable);
}

}  // namespace hive
