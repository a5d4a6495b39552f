#pragma once

#include <memory>

#include "actors/node_health.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "metrics/node_probe.hpp"
#include "metrics/page_server.hpp"

namespace hive::apps {

/// What the node serves at node.metrics_listen: /metrics, and /live, /ready, /leader for load balancers and probes.
/// Null if the setting is empty. The probe outlives it.
result<std::unique_ptr<metrics::page_server>> open_pages(const config::node_config& settings,
                                                         const metrics::node_probe& probe,
                                                         const std::shared_ptr<const node_health>& health);

}  // namespace hive::apps
