#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "hive/v1/cluster.pb.h"

namespace hive::core {

/// What load balancers and probes ask of one node.
enum class health_question : std::uint8_t {
  live,    // it answers
  ready,   // what is asked of it is done, here or where it points to
  leader,  // changes are taken here; true of a node that stands alone
};
inline constexpr std::array health_questions{health_question::live, health_question::ready, health_question::leader};

/// "live", "ready", "leader".
const char* to_string(health_question question);

/// Why the answer is no, judged by what the node knows of its cluster; nothing: it is yes. Pure.
std::optional<std::string> health_problem(health_question question, const v1::ClusterStatusResponse& status);

}  // namespace hive::core
