#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/hivectl/session.hpp"

namespace hive::hivectl {

/// "node 3".
std::string id_text(std::uint64_t node_id);
/// Of "a:1,b:2", each.
std::vector<std::string> split_endpoints(const std::string& all);

/// hivectl cluster status.
int show_cluster_status(session& context);

}  // namespace hive::hivectl
