#include "gate/access_rules.hpp"

#include <catch2/catch.hpp>

using namespace hive::gate;

TEST_CASE("what is not listed does not pass, and the reason is told apart") {
  access_rules rules;
  rules.allow(1, "hive.v1.PingRequest", role::client | role::worker);
  rules.allow(1, "hive.v1.PingRequest", role::node);
  rules.allow(2, "hive.v1.AppendRequest", role::node);
  using verdict = access_rules::verdict;
  CHECK(rules.check(1, "hive.v1.PingRequest", role::client) == verdict::allowed);
  CHECK(rules.check(1, "hive.v1.PingRequest", role::node) == verdict::allowed);
  CHECK(rules.check(1, "hive.v1.PingRequest", role_set{}) == verdict::wrong_role);
  CHECK(rules.check(2, "hive.v1.AppendRequest", role::client | role::worker) == verdict::wrong_role);
  CHECK(rules.check(2, "hive.v1.PingRequest", role::node) == verdict::unknown_message);
  CHECK(rules.check(3, "hive.v1.PingRequest", role::node) == verdict::unknown_receiver);
}

TEST_CASE("roles are read and written by name") {
  CHECK(parse_role("worker") == role_set(role::worker));
  CHECK(parse_role("operator") == role_set(role::operator_));
  CHECK(parse_role("Worker").is_empty());
  CHECK(parse_role("").is_empty());
  CHECK(to_string(role::client | role::node) == "client, node");
  CHECK(to_string(role::operator_ | role::client) == "client, operator");
  CHECK(to_string(role_set{}) == "none");
}
