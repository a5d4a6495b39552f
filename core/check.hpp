#pragma once

#include "core/limits.hpp"
#include "core/table.hpp"
#include "hive/v1/api.pb.h"

namespace hive::core {

/// Walks all tables and proves them consistent with each other: every status has a spec, indexes hold
/// exactly the tasks that belong there, counters equal what is counted, dependency counters equal the
/// unfinished needs, plan counts equal the steps, leases point to live attempts, every time-bound state
/// has its timer, event sequences have no gap. O(everything), one snapshot.
v1::CheckResponse check(const table_reader& tables);

}  // namespace hive::core
