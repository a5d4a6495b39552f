#include "base/ids.hpp"

#include <catch2/catch.hpp>

using namespace hive;

TEST_CASE("an id survives its text form") {
  const auto value = GENERATE(std::uint64_t{1}, std::uint64_t{17077}, make_id(1, 1), make_id(65535, (1ULL << 48) - 1));
  CHECK(parse_task_id(to_string(task_id{value}))->value == value);
  CHECK(parse_worker_id(to_string(worker_id{value}))->value == value);
}

TEST_CASE("the text form is a prefix and 13 Crockford digits") {
  CHECK(to_string(task_id{0x40b5}) == "task-0000000000g5n");
  CHECK(parse_task_id("task-0000000000G5N")->value == 0x40b5);
  CHECK(parse_task_id("task-000000000000l")->value == 1);
  CHECK(parse_plan_id("plan-0000000000g5n")->value == 0x40b5);
  CHECK(parse_task_id("281474976710657")->value == make_id(1, 1));
}

TEST_CASE("the shard is the top 16 bits") { CHECK(shard_of(make_id(7, 99)) == 7); }

TEST_CASE("a malformed id names its field") {
  const auto text = GENERATE("", "0", "task-", "task-000000000000", "task-00000000000000", "task-000000000000u",
                             "worker-0000000000001", "-1", "1x", "task-zzzzzzzzzzzzz", "task-0000000000000");
  const auto id = parse_task_id(text, "needs");
  REQUIRE_FALSE(id);
  CHECK(id.failure().code == errc::invalid_argument);
  CHECK(id.failure().field == "needs");
}
