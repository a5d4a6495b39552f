#pragma once

#include <optional>
#include <string>

#include "hive/v1/cluster.pb.h"

namespace hive::hivectl {

enum class health_question : std::uint8_t {
  live,    // it answers
  ready,   // what is asked of it is done, here or where it points to
  leader,  // changes are taken here; true of a node that stands alone
};

/// Why the answer is no; nothing: it is yes. Pure.
std::optional<std::string> health_problem(health_question question, const v1::ClusterStatusResponse& status);

}  // namespace hive::hivectl
