#pragma once

#include <vector>

#include "base/result.hpp"
#include "core/limits.hpp"
#include "hive/v1/command.pb.h"

namespace hive::core {

/// A plan document, checked and sorted: every need points to a smaller index.
struct validated_plan {
  std::vector<v1::PlannedStep> steps;
  std::uint64_t edge_count = 0;
};

/// Checks names, needs, task fields and the graph; sorts the steps topologically, keeping the
/// document's order where the graph allows it (Kahn's algorithm with a min-heap of positions,
/// O(steps log steps + edges)). Errors are invalid_argument with the field's path ("steps[3].needs[0]");
/// a cycle is named step by step ("a -> b -> a"). Empty plans, duplicate names, unknown needs,
/// duplicate needs, self-needs and limits are refused. Task specs are normalized as by
/// normalize_spec(). The steps are moved out of `document`.
result<validated_plan> validate_plan(v1::PlanDocument&& document, const core_limits& limits);

/// Checks one task spec and puts it into the stored form: capabilities sorted and unique, labels and
/// selector sorted by key, defaults written out. `path` is the prefix of the error's field ("spec.").
result<void> normalize_spec(v1::TaskSpec& spec, const core_limits& limits, const std::string& path);

/// The same for a worker.
result<void> normalize_worker(v1::WorkerSpec& spec, const core_limits& limits);

}  // namespace hive::core
