#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hive::bench {

/// Ports of loopback that were free a moment ago, all different. Somebody may take them before they are used. For
/// members of a cluster, which must know each other's ports before they start. std::runtime_error if there are none.
std::vector<std::uint16_t> free_ports(std::size_t count);

}  // namespace hive::bench
