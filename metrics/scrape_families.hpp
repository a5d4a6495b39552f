#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/node_probe.hpp"

namespace hive::metrics {

/// The gauges of one snapshot as metric families. `label_of` gives the bounded label of a task type; types that
/// share a label are summed.
std::vector<prometheus::MetricFamily> to_families(const node_probe::snapshot& seen,
                                                  const std::function<std::string(std::string_view)>& label_of);

std::vector<prometheus::MetricFamily> to_families(const replication_figures& figures);

}  // namespace hive::metrics
