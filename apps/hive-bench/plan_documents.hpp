#pragma once

#include <cstdint>

#include "hive/v1/plan.pb.h"

namespace hive::bench {

/// A step, `width` steps that need it, and one that needs all of those.
v1::PlanDocument fork_join_document(std::uint64_t width);

/// Each step needs the one before.
v1::PlanDocument chain_document(std::uint64_t length);

/// `steps` steps dealt out to `layers` layers; each, but those of the first layer, needs 1 to `needs_max` different
/// steps of the layer before. The same seed gives the same document on every machine.
v1::PlanDocument random_document(std::uint64_t seed, std::uint64_t steps, std::uint64_t layers,
                                 std::uint64_t needs_max);

}  // namespace hive::bench
