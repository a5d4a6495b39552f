#pragma once

#include <cstdint>
#include <string>

#include "tests/replication/simulated_cluster.hpp"

namespace hive::replication::testing {

enum class chaos_profile : std::uint8_t {
  three_nodes,
  five_nodes,
  changing_members,  // three founders, two that come and go
};

struct chaos_result {
  std::string violation;  // empty: none
  std::uint64_t acknowledged = 0;
  std::uint64_t reads = 0;
  std::uint64_t elections = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t changes = 0;    // that were committed
  std::uint64_t transfers = 0;  // that succeeded
  std::uint64_t cycles = 0;
};

/// A random life of a cluster: clients write and read, nodes crash and come back, links break, membership and
/// leadership change. Then everything is healed, and within a bounded time the cluster must lead, write, read and agree
/// again. The result depends on the arguments only.
chaos_result run_chaos(std::uint64_t seed, chaos_profile profile, const workarounds& quirks = {},
                       const simulated_faults& faults = {});

/// Small limits, so that in a short life the log is compacted, snapshots are sent and windows fill up.
driver_options small_options();

}  // namespace hive::replication::testing
