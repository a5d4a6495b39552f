#include "actors/plan_upload_table.hpp"

#include <catch2/catch.hpp>

using namespace hive;
using namespace std::chrono_literals;

namespace {

v1::UploadPlanPartRequest part_of(std::uint64_t upload, std::uint32_t number, std::size_t steps, bool is_last = false) {
  v1::UploadPlanPartRequest part;
  part.set_upload_id(upload);
  part.set_part(number);
  part.set_is_last(is_last);
  if (number == 0) part.mutable_head()->mutable_document()->set_name("large");
  for (std::size_t i = 0; i < steps; ++i)
    part.add_steps()->set_name("s" + std::to_string(number) + "-" + std::to_string(i));
  return part;
}

const plan_upload_table::time_point start{1h};

}  // namespace

TEST_CASE("a plan is whole with its last part, steps in order") {
  plan_upload_table table{{}};
  CHECK_FALSE(table.add(part_of(9, 0, 2), start)->has_value());
  CHECK_FALSE(table.add(part_of(9, 1, 2), start)->has_value());
  const auto whole = table.add(part_of(9, 2, 1, true), start);
  REQUIRE(whole->has_value());
  CHECK((*whole)->document().name() == "large");
  REQUIRE((*whole)->document().steps_size() == 5);
  CHECK((*whole)->document().steps(4).name() == "s2-0");
  CHECK(table.size() == 0);
}

TEST_CASE("a part that is sent again is taken once") {
  plan_upload_table table{{}};
  CHECK(table.add(part_of(9, 0, 2), start));
  CHECK(table.add(part_of(9, 1, 2), start));
  CHECK(table.add(part_of(9, 1, 2), start));
  CHECK(table.next_part(9) == 2);
  CHECK((*table.add(part_of(9, 2, 0, true), start))->document().steps_size() == 4);
}

TEST_CASE("needs that do not fit into one part go on in the next") {
  plan_upload_table table{{}};
  auto first = part_of(9, 0, 2);
  first.mutable_steps(1)->add_needs("a");
  const auto begun = table.add(std::move(first), start);
  CHECK(begun);
  auto next = part_of(9, 1, 2, true);
  next.set_continues_last_step(true);
  next.mutable_steps(0)->add_needs("b");
  const auto whole = table.add(std::move(next), start);
  REQUIRE(whole->has_value());
  const auto& steps = (*whole)->document().steps();
  REQUIRE(steps.size() == 3);
  REQUIRE(steps[1].needs_size() == 2);
  CHECK(steps[1].needs(1) == "b");
  CHECK(steps[2].name() == "s1-1");
  // The step that goes on is not counted twice.
  plan_upload_table::options limits;
  limits.steps_max = 1;
  plan_upload_table small{limits};
  CHECK(small.add(part_of(7, 0, 1), start));
  auto rest = part_of(7, 1, 1, true);
  rest.set_continues_last_step(true);
  const auto all = small.add(std::move(rest), start);
  CHECK(all->has_value());
  // Nothing to go on with:
  auto lost = part_of(8, 0, 1);
  lost.set_continues_last_step(true);
  const auto nothing = table.add(std::move(lost), start);
  CHECK(nothing.failure().field == "continues_last_step");
  CHECK(table.add(part_of(8, 0, 1), start));
  auto empty = part_of(8, 1, 0);
  empty.set_continues_last_step(true);
  const auto no_needs = table.add(std::move(empty), start);
  CHECK(no_needs.failure().field == "continues_last_step");
}

TEST_CASE("part 0 starts an upload over") {
  plan_upload_table table{{}};
  CHECK(table.add(part_of(9, 0, 2), start));
  CHECK(table.add(part_of(9, 0, 3), start));
  CHECK((*table.add(part_of(9, 1, 1, true), start))->document().steps_size() == 4);
}

TEST_CASE("a missing part, an unknown upload and the number 0 are refused") {
  plan_upload_table table{{}};
  CHECK(table.add(part_of(9, 1, 1), start).failure().code == errc::failed_precondition);
  CHECK(table.add(part_of(9, 0, 1), start));
  CHECK(table.add(part_of(9, 2, 1), start).failure().field == "part");
  CHECK(table.add(part_of(0, 0, 1), start).failure().field == "upload_id");
}

TEST_CASE("uploads are bounded by number, steps, bytes and silence") {
  plan_upload_table::options limits;
  limits.uploads_max = 1;
  limits.steps_max = 3;
  limits.upload_bytes_max = 1000;
  plan_upload_table table{limits};
  CHECK(table.add(part_of(1, 0, 1), start));
  CHECK(table.add(part_of(2, 0, 1), start).failure().code == errc::resource_exhausted);
  CHECK(table.add(part_of(1, 1, 3), start).failure().field == "steps");
  CHECK(table.size() == 0);
  auto heavy = part_of(3, 0, 1);
  heavy.mutable_steps(0)->mutable_task()->set_payload(std::string(2000, 'x'));
  const auto refused = table.add(std::move(heavy), start);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::invalid_argument);
  CHECK(table.add(part_of(4, 0, 1), start));
  CHECK(table.add(part_of(5, 0, 1), start + 61s));
  CHECK(table.next_part(4) == 0);
}
