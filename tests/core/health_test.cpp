#include <catch2/catch.hpp>

#include "core/health.hpp"

using namespace hive;
using namespace hive::core;

namespace {

v1::ClusterStatusResponse member(const std::string& role, std::uint64_t leader_id) {
  v1::ClusterStatusResponse status;
  status.set_role(role);
  status.set_leader_id(leader_id);
  if (leader_id != 0) status.set_leader_endpoint("n" + std::to_string(leader_id) + ":7117");
  return status;
}

bool is_yes(health_question question, const v1::ClusterStatusResponse& status) {
  return !health_problem(question, status);
}

}  // namespace

TEST_CASE("a node that stands alone is live, ready and where changes go") {
  for (const auto question : health_questions) CHECK(is_yes(question, member("standalone", 0)));
}

TEST_CASE("a follower is ready while it knows a leader, and never the leader") {
  CHECK(is_yes(health_question::ready, member("follower", 2)));
  CHECK(health_problem(health_question::leader, member("follower", 2)) == "it does not lead; n2:7117 does");
  CHECK(health_problem(health_question::ready, member("candidate", 0)) == "no leader is known");
  CHECK(is_yes(health_question::live, member("candidate", 0)));
  CHECK(is_yes(health_question::leader, member("leader", 1)));
}

TEST_CASE("a member that cannot serve what is current is live and not ready, with the reason") {
  CHECK(health_problem(health_question::ready, member("waiting", 0)) == "it waits for hivectl cluster init or add");
  auto broken = member("follower", 1);
  broken.set_failure("the disk is full");
  CHECK(health_problem(health_question::ready, broken) == "replication stands still: the disk is full");
  CHECK(is_yes(health_question::live, broken));
  auto behind = member("stand_by", 1);
  behind.set_is_installing(true);
  CHECK(health_problem(health_question::ready, behind) == "it is fetching the state of the leader");
}
