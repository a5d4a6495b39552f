#include "core/plan_validator.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

using namespace hive;
using namespace hive::core;

namespace {

void add_step(v1::PlanDocument& document, const std::string& name, const std::vector<std::string>& needs = {}) {
  auto* step = document.add_steps();
  step->set_name(name);
  step->mutable_task()->set_type("echo");
  for (const auto& need : needs) step->add_needs(need);
}

/// a, b needs a, c needs a, d needs b and c.
v1::PlanDocument diamond() {
  v1::PlanDocument document;
  document.set_name("diamond");
  add_step(document, "a");
  add_step(document, "b", {"a"});
  add_step(document, "c", {"a"});
  add_step(document, "d", {"b", "c"});
  return document;
}

struct bad_document {
  std::string field;
  std::string what;  // part of the message
  std::function<void(v1::PlanDocument&)> spoil;
};

const std::vector<bad_document>& bad_documents() {
  static const std::vector<bad_document> cases{
      {"steps", "at least one step", [](auto& d) { d.clear_steps(); }},
      {"name", "at most 128", [](auto& d) { d.set_name(std::string(129, 'x')); }},
      {"name", "control character", [](auto& d) { d.set_name("a\x01"); }},
      {"failure_policy", "unknown value 9", [](auto& d) { d.set_failure_policy(static_cast<v1::FailurePolicy>(9)); }},
      {"deadline_ms", "is -1", [](auto& d) { d.set_deadline_ms(-1); }},
      {"steps[2].name", "must not be empty", [](auto& d) { d.mutable_steps(2)->clear_name(); }},
      {"steps[1].name", "at most 128", [](auto& d) { d.mutable_steps(1)->set_name(std::string(129, 'x')); }},
      {"steps[0].name", "UTF-8", [](auto& d) { d.mutable_steps(0)->set_name("\xff"); }},
      {"steps[3].name", "duplicate step name \"b\", first at steps[1]",
       [](auto& d) { d.mutable_steps(3)->set_name("b"); }},
      {"steps[1].needs[0]", "unknown step \"ghost\"", [](auto& d) { d.mutable_steps(1)->set_needs(0, "ghost"); }},
      {"steps[3].needs[1]", "unknown step \"\"", [](auto& d) { d.mutable_steps(3)->set_needs(1, ""); }},
      {"steps[3].needs[1]", "unknown step \"C\"", [](auto& d) { d.mutable_steps(3)->set_needs(1, "C"); }},
      {"steps[3].needs[2]", "this need is given twice: \"b\"", [](auto& d) { d.mutable_steps(3)->add_needs("b"); }},
      {"steps[0].needs[0]", "a step cannot need itself: \"a\"", [](auto& d) { d.mutable_steps(0)->add_needs("a"); }},
      {"steps[0].needs[0]", "cycle: a -> b -> a", [](auto& d) { d.mutable_steps(0)->add_needs("b"); }},
      {"steps[0].needs[0]", "cycle: a -> d -> b -> a", [](auto& d) { d.mutable_steps(0)->add_needs("d"); }},
      {"steps[1].needs[1]", "cycle: b -> d -> b", [](auto& d) { d.mutable_steps(1)->add_needs("d"); }},
      {"steps[2].task.type", "must not be empty", [](auto& d) { d.mutable_steps(2)->clear_task(); }},
      {"steps[0].task.title", "at most 256",
       [](auto& d) { d.mutable_steps(0)->mutable_task()->set_title(std::string(257, 'x')); }},
      {"steps[1].task.payload", "at most 1048576",
       [](auto& d) { d.mutable_steps(1)->mutable_task()->set_payload(std::string((1 << 20) + 1, 'x')); }},
      {"steps[1].task.retry.max_attempts", "must be 1 to 1000",
       [](auto& d) { d.mutable_steps(1)->mutable_task()->mutable_retry()->set_max_attempts(5000); }},
      {"steps[1].task.timeouts.run_ms", "is -1",
       [](auto& d) { d.mutable_steps(1)->mutable_task()->mutable_timeouts()->set_run_ms(-1); }},
      {"steps[1].task.labels[0].key", "must not be empty",
       [](auto& d) { d.mutable_steps(1)->mutable_task()->add_labels(); }},
      {"steps[1].task.required_capabilities[0]", "must not be empty",
       [](auto& d) { d.mutable_steps(1)->mutable_task()->add_required_capabilities(""); }},
      {"steps[1].task.idempotency_key", "give the plan one",
       [](auto& d) { d.mutable_steps(1)->mutable_task()->set_idempotency_key("k"); }},
      {"steps[1].task.plan_id", "set by the node", [](auto& d) { d.mutable_steps(1)->mutable_task()->set_plan_id(7); }},
  };
  return cases;
}

error failure_of(v1::PlanDocument document, const core_limits& limits = {}) {
  const auto outcome = validate_plan(std::move(document), limits);
  REQUIRE(!outcome);
  return outcome.failure();
}

}  // namespace

TEST_CASE("a malformed plan document is refused with the path of what is wrong") {
  REQUIRE(validate_plan(diamond(), {}));
  for (const auto& bad : bad_documents()) {
    v1::PlanDocument document = diamond();
    bad.spoil(document);
    INFO(bad.field << ": " << bad.what);
    const error failure = failure_of(std::move(document));
    CHECK(failure.code == errc::invalid_argument);
    CHECK(failure.field == bad.field);
    CHECK_THAT(failure.message, Catch::Contains(bad.what));
  }
}

TEST_CASE("the limits of a plan are refused one beyond, accepted at the limit") {
  core_limits limits;
  limits.plan_steps_max = 4;
  limits.step_needs_max = 2;
  limits.plan_edges_max = 4;
  CHECK(validate_plan(diamond(), limits));
  v1::PlanDocument longer = diamond();
  add_step(longer, "e");
  CHECK(failure_of(longer, limits).field == "steps");
  v1::PlanDocument wider = diamond();
  wider.mutable_steps(3)->add_needs("a");
  CHECK(failure_of(wider, limits).field == "steps[3].needs");
  v1::PlanDocument denser = diamond();
  denser.mutable_steps(2)->add_needs("b");
  CHECK_THAT(failure_of(denser, limits).message, Catch::Contains("4 needs in all"));
}

TEST_CASE("steps are sorted topologically and keep the document's order where the graph allows it") {
  v1::PlanDocument document;
  add_step(document, "report", {"merge"});
  add_step(document, "first");
  add_step(document, "merge", {"right", "left"});
  add_step(document, "left", {"first"});
  add_step(document, "alone");
  add_step(document, "right", {"first"});
  const auto plan = validate_plan(std::move(document), {});
  REQUIRE(plan);
  std::vector<std::string> names;
  for (const auto& step : plan->steps) names.push_back(step.step().name());
  CHECK(names == std::vector<std::string>{"first", "left", "alone", "right", "merge", "report"});
  CHECK(plan->edge_count == 5);
  const v1::PlanStep& merge = plan->steps[4].step();
  REQUIRE(merge.needs_size() == 2);
  CHECK(merge.needs(0) == 1);  // ascending
  CHECK(merge.needs(1) == 3);
  CHECK(merge.position() == 2);
  CHECK(plan->steps[0].task().retry().max_attempts() == 3);  // normalized
}

TEST_CASE("a document that is sorted already is left in its order") {
  const auto plan = validate_plan(diamond(), {});
  REQUIRE(plan);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(plan->steps[i].step().position() == i);
}

TEST_CASE("a chain of 100,000 steps, written backwards, is sorted without recursion") {
  constexpr int count = 100'000;
  v1::PlanDocument document;
  for (int i = count - 1; i > 0; --i) add_step(document, std::to_string(i), {std::to_string(i - 1)});
  add_step(document, "0");
  const auto plan = validate_plan(std::move(document), {});
  REQUIRE(plan);
  CHECK(plan->steps.front().step().name() == "0");
  CHECK(plan->steps.back().step().name() == "99999");
  CHECK(plan->edge_count == count - 1);
}

TEST_CASE("a cycle of 100,000 steps is found without recursion and its message stays short") {
  constexpr int count = 100'000;
  v1::PlanDocument document;
  for (int i = 0; i < count; ++i) add_step(document, std::to_string(i), {std::to_string((i + 1) % count)});
  const error failure = failure_of(std::move(document));
  CHECK(failure.field == "steps[0].needs[0]");
  CHECK_THAT(failure.message, Catch::Contains("cycle: 0 -> 1 -> 2 -> "));
  CHECK_THAT(failure.message, Catch::EndsWith("-> 19 -> ... (99980 more) -> 0"));
}

TEST_CASE("a cycle is named without the steps that lead to it or hang on it") {
  v1::PlanDocument document;
  add_step(document, "after", {"x"});
  add_step(document, "x", {"start", "y"});
  add_step(document, "y", {"z"});
  add_step(document, "z", {"x"});
  add_step(document, "start");
  const error failure = failure_of(std::move(document));
  CHECK(failure.field == "steps[1].needs[1]");
  CHECK_THAT(failure.message, Catch::EndsWith("cycle: x -> y -> z -> x"));
}

TEST_CASE("a fork and join of 100,000 steps is checked in time that grows with its edges only") {
  constexpr int width = 100'000;
  v1::PlanDocument document;
  add_step(document, "fork");
  for (int i = 0; i < width; ++i) add_step(document, "s" + std::to_string(i), {"fork"});
  add_step(document, "join");
  auto* join = document.mutable_steps(width + 1);
  for (int i = 0; i < width; ++i) join->add_needs("s" + std::to_string(i));
  const auto start = std::chrono::steady_clock::now();
  const auto plan = validate_plan(std::move(document), {});
  const auto took = std::chrono::steady_clock::now() - start;
  REQUIRE(plan);
  CHECK(plan->edge_count == 2 * width);
  CHECK(plan->steps.back().step().needs_size() == width);
  CHECK(took < std::chrono::seconds{10});  // quadratic work would need minutes
}
