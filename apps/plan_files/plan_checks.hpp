#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hive/v1/plan.pb.h"

namespace hive::plan_files {

/// Where a graph rule is broken: the step, and which of its needs (-1: the step itself).
struct graph_fault {
  int step = 0;
  int need = -1;
  std::string message;
};

/// Finds the first broken rule: duplicate names, unknown, repeated or own needs, cycles (named step by step). Fills
/// `fault` and returns false. O(steps + edges), no recursion.
bool check_graph(const v1::PlanDocument& document, graph_fault& fault);

}  // namespace hive::plan_files
