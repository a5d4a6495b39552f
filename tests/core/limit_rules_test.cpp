#include "core/limit_rules.hpp"

#include "tests/core/machine_fixture.hpp"

using namespace hive;
using namespace hive::core;

namespace {

v1::Command command_of(const core_limits& limits) {
  v1::Command command;
  *command.mutable_set_limits() = set_limits(limits);
  return command;
}

core_limits small_payloads() {
  core_limits limits;
  limits.payload_bytes_max = 10;
  limits.retention_ms = 12'345;
  return limits;
}

v1::TaskSpec spec_of_bytes(std::size_t count) {
  auto spec = machine_fixture::spec();
  spec.set_payload(std::string(count, 'x'));
  return spec;
}

void expect_refused(v1::Command command, const std::string& field) {
  machine_fixture hive;
  const auto before = hive.rules.limits();
  const auto outcome = hive.apply(std::move(command));
  CHECK(to_error(outcome.status()).code == errc::invalid_argument);
  CHECK(to_error(outcome.status()).field == field);
  CHECK(hive.rules.limits() == before);
  CHECK_FALSE(hive.rules.are_limits_stored());
  CHECK(hive.tables.size(table::meta) == 0);
}

}  // namespace

TEST_CASE("limits that were set by a command count from there on, and again after loading") {
  machine_fixture hive;
  CHECK_FALSE(hive.rules.are_limits_stored());
  CHECK(is_ok(hive.create(spec_of_bytes(11)).status()));

  REQUIRE(is_ok(hive.apply(command_of(small_payloads())).status()));
  CHECK(hive.rules.are_limits_stored());
  CHECK(hive.rules.limits() == small_payloads());
  CHECK(is_ok(hive.create(spec_of_bytes(10)).status()));
  CHECK(to_error(hive.create(spec_of_bytes(11)).status()).code == errc::invalid_argument);

  // A machine that was given others takes those of the tables.
  hive.rules.flush(hive.tables);
  machine other{core_limits{}};
  REQUIRE(other.load(hive.tables));
  CHECK(other.limits() == small_payloads());
  CHECK(other.are_limits_stored());
}

TEST_CASE(
    "tables in which a limit is missing count as having none, and a loaded machine goes back to what it was given") {
  machine_fixture hive;
  REQUIRE(is_ok(hive.apply(command_of(small_payloads())).status()));
  hive.tables.erase(table::meta, "limit.workers_max");
  machine other{core_limits{}};
  REQUIRE(other.load(hive.tables));
  CHECK(other.limits() == core_limits{});
  CHECK_FALSE(other.are_limits_stored());
}

TEST_CASE("a stored limit that makes no sense is data loss, not a guess") {
  machine_fixture hive;
  REQUIRE(is_ok(hive.apply(command_of(small_payloads())).status()));
  hive.tables.put(table::meta, "limit.workers_max", key{}.u64(1ULL << 40U));
  machine other{core_limits{}};
  const auto loaded = other.load(hive.tables);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.failure().code == errc::data_loss);
}

TEST_CASE("a command that does not set each limit to something possible is refused and leaves no trace") {
  SECTION("one is missing") {
    auto command = command_of({});
    command.mutable_set_limits()->mutable_limits()->RemoveLast();
    expect_refused(command, "set_limits.limits");
  }
  SECTION("one is there twice, in place of another") {
    auto command = command_of({});
    command.mutable_set_limits()->mutable_limits(1)->set_name("payload_bytes_max");
    expect_refused(command, "set_limits.title_bytes_max");
  }
  SECTION("one is negative") {
    auto command = command_of({});
    command.mutable_set_limits()->mutable_limits(0)->set_value(-1);
    expect_refused(command, "set_limits.payload_bytes_max");
  }
  SECTION("one does not fit") {
    auto command = command_of({});
    command.mutable_set_limits()->mutable_limits(1)->set_value(1LL << 32U);
    expect_refused(command, "set_limits.title_bytes_max");
  }
}
