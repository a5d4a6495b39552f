#include <algorithm>
#include <cstdio>

#include "tests/core/plan_fixture.hpp"

using namespace hive;
using namespace hive::core;

namespace {

struct cost {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const cost&, const cost&) = default;
};

cost taken(plan_fixture& on) { return {on.tables.reads, on.tables.writes, on.tables.bytes}; }

cost most(const cost& left, const cost& right) {
  return {std::max(left.reads, right.reads), std::max(left.writes, right.writes), std::max(left.bytes, right.bytes)};
}

void show(const char* what, int size, const cost& of) {
  std::printf("%-28s %7d steps: %6llu reads %6llu writes %8llu bytes written\n", what, size,
              static_cast<unsigned long long>(of.reads), static_cast<unsigned long long>(of.writes),
              static_cast<unsigned long long>(of.bytes));
}

/// Completes all leased steps, `step` being their common kind; the dearest completion.
cost complete_all(plan_fixture& on, const std::vector<std::string>& names) {
  cost dearest;
  for (const auto& name : names) {
    on.tables.reset();
    on.complete(name);
    dearest = most(dearest, taken(on));
  }
  return dearest;
}

}  // namespace

TEST_CASE("a completion in a fork and join costs the same at every width") {
  std::vector<cost> dearest;
  for (const int width : {100, 10'000, 100'000}) {
    core_limits limits;
    plan_fixture on(limits);
    on.is_checking = false;
    on.create(plan_fixture::document(plan_fixture::fork_join(width)));
    on.tick_all();
    REQUIRE(on.lease() == std::vector<std::string>{"fork"});
    on.tables.reset();
    on.complete("fork");
    const cost fork = taken(on);
    show("fork, in its command", width, fork);
    // At most release_steps_max dependents in one command, each a bounded number of rows.
    CHECK(fork.writes <=
          8ULL * std::min<std::uint64_t>(static_cast<std::uint64_t>(width), limits.release_steps_max) + 20);
    on.tick_all();
    cost middle;
    int completed = 0;
    for (auto names = on.lease(); names != std::vector<std::string>{"join"}; names = on.lease()) {
      REQUIRE(!names.empty());
      completed += static_cast<int>(names.size());
      middle = most(middle, complete_all(on, names));
    }
    CHECK(completed == width);
    show("one of the parallel steps", width, middle);
    dearest.push_back(middle);
    CHECK(on.assignments["join"].inputs_size() == std::min(width, 10'000));
    CHECK(on.assignments["join"].inputs_omitted() == static_cast<std::uint32_t>(std::max(0, width - 10'000)));
    on.tables.reset();
    on.complete("join");
    show("join", width, taken(on));
    CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
    if (width == 100) on.expect_consistent();
  }
  for (const cost& each : dearest) {
    CHECK(each.reads == dearest.front().reads);
    CHECK(each.writes == dearest.front().writes);
    CHECK(each.bytes <= dearest.front().bytes + 64);  // longer numbers in the records
  }
}

TEST_CASE("a completion in a chain costs the same at every length") {
  std::vector<cost> dearest;
  for (const int length : {100, 1'000, 10'000, 100'000}) {
    plan_fixture on;
    on.is_checking = false;
    on.create(plan_fixture::document(plan_fixture::chain(length)));
    on.tick_all();
    cost middle;
    for (int i = 0; i < length; ++i) {
      const auto names = on.lease();
      REQUIRE(names.size() == 1);
      const cost each = complete_all(on, names);
      if (i + 1 < length) middle = most(middle, each);  // the last one ends the plan as well
    }
    CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
    show("one step of a chain", length, middle);
    dearest.push_back(middle);
    if (length == 1'000) on.expect_consistent();
  }
  for (const cost& each : dearest) {
    CHECK(each.reads == dearest.front().reads);
    CHECK(each.writes == dearest.front().writes);
    CHECK(each.bytes <= dearest.front().bytes + 64);
  }
}

TEST_CASE("no command walks a whole plan") {
  core_limits limits;
  plan_fixture on(limits);
  on.is_checking = false;
  constexpr int width = 20'000;
  on.create(plan_fixture::document(plan_fixture::fork_join(width)));
  cost dearest;
  const auto ticks = [&] {
    while (on.rules.next_due_unix_ms(on.tables) <= on.now) {
      on.tables.reset();
      on.tick();
      dearest = most(dearest, taken(on));
    }
  };
  const auto timed = [&](const auto& command) {
    on.tables.reset();
    command();
    dearest = most(dearest, taken(on));
    ticks();
  };
  ticks();
  on.lease();
  timed([&] { on.complete("fork"); });
  timed([&] { on.pause(); });
  timed([&] { on.lease(100); });
  timed([&] { on.resume(); });
  timed([&] { on.cancel(); });
  CHECK(on.plan_state() == v1::PLAN_STATE_CANCELED);
  timed([&] { on.retry(); });
  timed([&] { on.cancel(); });
  timed([&] { on.purge(); });
  CHECK(on.tables.size(table::plan_edge) == 0);
  show("dearest command or tick", width, dearest);
  CHECK(dearest.writes < 10ULL * limits.sweep_steps_max);
}
