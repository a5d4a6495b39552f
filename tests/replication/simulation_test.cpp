// Random lives of whole clusters; see chaos.hpp for what happens in one and simulated_cluster.hpp for what is checked.
//
// 30,000 lives, about a minute of one core, in parts that ctest runs in parallel:
//   build/tests/replication_simulation
// The long suite:
//   HIVE_SIMULATION_SEEDS=1000000 ctest --test-dir build -j 2 -R "replication_simulation:.*life"
// One of them:
//   HIVE_SIMULATION_FIRST=123 HIVE_SIMULATION_SEEDS=1 build/tests/replication_simulation "life: five nodes 1"
//
// HIVE_SIMULATION_SEEDS is the number over all parts. A seed that fails prints itself with the command that repeats it.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "tests/replication/chaos.hpp"

using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)

namespace {

#ifndef HIVE_SIMULATION_SEEDS_DEFAULT
#define HIVE_SIMULATION_SEEDS_DEFAULT 30000
#endif

constexpr std::uint64_t part_count = 6;
constexpr std::uint64_t part_distance = 10'000'000;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void run_part(chaos_profile profile, std::uint64_t part, const std::string& name) {
  const std::uint64_t total = number_from("HIVE_SIMULATION_SEEDS", HIVE_SIMULATION_SEEDS_DEFAULT);
  const std::uint64_t count = (total + part_count - 1) / part_count;
  const std::uint64_t first = number_from("HIVE_SIMULATION_FIRST", 1 + part * part_distance);
  chaos_result sum;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const chaos_result one = run_chaos(seed, profile);
    if (!one.violation.empty()) {
      FAIL("seed " << seed << ": " << one.violation << "\nrepeat it with: HIVE_SIMULATION_FIRST=" << seed
                   << " HIVE_SIMULATION_SEEDS=1 build/tests/replication_simulation \"" << name << "\"");
    }
    sum.acknowledged += one.acknowledged;
    sum.reads += one.reads;
    sum.elections += one.elections;
    sum.snapshots += one.snapshots;
    sum.changes += one.changes;
    sum.transfers += one.transfers;
  }
  WARN(count << " lives from seed " << first << ": " << sum.acknowledged << " writes, " << sum.reads << " reads, "
             << sum.elections << " elections, " << sum.snapshots << " snapshots, " << sum.changes << " changes, "
             << sum.transfers << " transfers");
  // The lives must be eventful, or they prove nothing.
  CHECK(sum.acknowledged > 20 * count);
  CHECK(sum.reads > 3 * count);
  CHECK(sum.elections > 2 * count);
  if (count < 100) return;
  CHECK(sum.snapshots > count / 4);
  CHECK(sum.transfers > count / 10);
  if (profile == chaos_profile::changing_members) CHECK(sum.changes > count / 2);
}

}  // namespace

TEST_CASE("life: three nodes 1") { run_part(chaos_profile::three_nodes, 0, "life: three nodes 1"); }
TEST_CASE("life: three nodes 2") { run_part(chaos_profile::three_nodes, 1, "life: three nodes 2"); }
TEST_CASE("life: five nodes 1") { run_part(chaos_profile::five_nodes, 2, "life: five nodes 1"); }
TEST_CASE("life: five nodes 2") { run_part(chaos_profile::five_nodes, 3, "life: five nodes 2"); }
TEST_CASE("life: changing members 1") { run_part(chaos_profile::changing_members, 4, "life: changing members 1"); }
TEST_CASE("life: changing members 2") { run_part(chaos_profile::changing_members, 5, "life: changing members 2"); }

TEST_CASE("the same seed gives the same life") {
  for (const auto profile : {chaos_profile::three_nodes, chaos_profile::five_nodes, chaos_profile::changing_members}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const chaos_result first = run_chaos(seed, profile);
      const chaos_result second = run_chaos(seed, profile);
      CHECK(first.cycles == second.cycles);
      CHECK(first.acknowledged == second.acknowledged);
      CHECK(first.elections == second.elections);
    }
  }
}

// The checks of the simulation must be able to fail.

TEST_CASE("nodes that speak before their commit are found out") {
  simulated_faults faults;
  faults.speaks_before_commit = true;
  std::string violation;
  for (std::uint64_t seed = 1; seed <= 500 && violation.empty(); ++seed) {
    violation = run_chaos(seed, chaos_profile::three_nodes, {}, faults).violation;
  }
  CHECK_FALSE(violation.empty());
}

TEST_CASE("reads that ask nobody are found out") {
  simulated_faults faults;
  faults.reads_locally = true;
  std::string violation;
  for (std::uint64_t seed = 1; seed <= 500 && violation.empty(); ++seed) {
    violation = run_chaos(seed, chaos_profile::three_nodes, {}, faults).violation;
  }
  CHECK(violation.find("not linearizable") != std::string::npos);
}
