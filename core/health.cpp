#include "core/health.hpp"

namespace hive::core {

const char* to_string(health_question question) {
  switch (question) {
    case health_question::live:
      return "live";
    case health_question::ready:
      return "ready";
    case health_question::leader:
      return "leader";
  }
  return "unknown";
}

std::optional<std::string> health_problem(health_question question, const v1::ClusterStatusResponse& status) {
  const std::string& role = status.role();
  if (question == health_question::live || role == "standalone") return std::nullopt;
  if (!status.failure().empty()) return "replication stands still: " + status.failure();
  if (status.is_installing()) return "it is fetching the state of the leader";
  if (role == "waiting") return "it waits for hivectl cluster init or add";
  if (question == health_question::leader) {
    if (role == "leader") return std::nullopt;
    return "it does not lead; " +
           (status.leader_endpoint().empty() ? "no leader is known" : status.leader_endpoint() + " does");
  }
  if (status.leader_id() == 0) return "no leader is known";
  return std::nullopt;
}

}  // namespace hive::core
