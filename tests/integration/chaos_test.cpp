// A cluster under load to which everything happens that can happen to nodes, again and again.
//   HIVE_CHAOS_MINUTES  how long; 2. The long suite has 30.
//   HIVE_CHAOS_SEED     repeats the choice of faults; a random one otherwise. It is printed.
//   HIVE_TEST_LOGS      a folder for the nodes' whole logs if something is wrong
#include "tests/integration/chaos.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

// A new cluster after so long, so that the record and the data stay small however long the whole takes.
constexpr auto chapter_length = 2min;
constexpr auto chapter_length_min = 30s;
constexpr auto default_duration = 2min;

unsigned long number_from(const char* variable, unsigned long otherwise) {
  const char* given = std::getenv(variable);
  return given == nullptr ? otherwise : std::stoul(given);
}

const std::set<fault_kind> all_kinds{fault_kind::kill_one, fault_kind::stop_one,        fault_kind::link_down,
                                     fault_kind::one_way,  fault_kind::slow_link,       fault_kind::kill_all,
                                     fault_kind::transfer, fault_kind::rolling_restart, fault_kind::replace,
                                     fault_kind::full_disk};

std::string left_out(const std::vector<fault_kind>& possible) {
  std::string text;
  for (const auto kind : all_kinds) {
    if (std::find(possible.begin(), possible.end(), kind) == possible.end())
      text += (text.empty() ? "" : ", ") + to_string(kind);
  }
  return text;
}

using counts = std::map<fault_kind, std::size_t>;

std::string describe(const counts& done) {
  std::string text;
  for (const auto& [kind, count] : done)
    text += (text.empty() ? "" : ", ") + to_string(kind) + " " + std::to_string(count);
  return text;
}

/// One cluster: each kind of fault once, in random order, then any until `end`; then everything is checked.
void live_through(unsigned long seed, clock_type::time_point end, counts& done) {
  std::mt19937 random{static_cast<std::mt19937::result_type>(seed)};
  chaos world;
  auto possible = world.kinds();
  if (const auto text = left_out(possible); !text.empty()) WARN("left out, as not permitted here: " << text);
  std::shuffle(possible.begin(), possible.end(), random);
  std::string story;
  for (std::size_t i = 0; i < possible.size() || clock_type::now() < end; ++i) {
    const std::size_t any = std::uniform_int_distribution<std::size_t>{0, possible.size() - 1}(random);
    const auto next = draw_fault(possible[i < possible.size() ? i : any], random);
    const auto begin = clock_type::now();
    story += describe(next);
    try {
      world.strike(next);
    } catch (const std::exception& failure) {
      FAIL("seed " << seed << "\n" << story << "\n" << failure.what());
    }
    story += ": " +
             std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(clock_type::now() - begin).count()) +
             " ms\n";
    ++done[next.kind];
  }
  UNSCOPED_INFO("seed " << seed << "\n" << story);
  const auto wrong = world.finish();
  if (!wrong.empty()) UNSCOPED_INFO(world.logs());
  for (const auto& line : wrong) UNSCOPED_INFO(line);
  CHECK(wrong.empty());
  CHECK(world.plans() > 0);
  for (const auto kind : possible) {
    CAPTURE(to_string(kind));
    CHECK(done[kind] > 0);
  }
  WARN(world.tasks() << " tasks acknowledged, " << world.plans() << " plans; so far: " << describe(done));
}

}  // namespace

TEST_CASE("chaos: a cluster lives through every fault under load and plans, and loses nothing") {
  const auto end =
      clock_type::now() + std::chrono::minutes(number_from("HIVE_CHAOS_MINUTES", default_duration.count()));
  auto seed = number_from("HIVE_CHAOS_SEED", std::random_device{}());
  WARN("seed " << seed);
  counts done;
  do {
    live_through(seed++, std::min(end, clock_type::now() + chapter_length), done);
  } while (clock_type::now() + chapter_length_min < end);
}
