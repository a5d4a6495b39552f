// hivectl cluster, as a process, against members of a test.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/executor/process_runner.hpp"
#include "tests/apps/hivectl/fake_member.hpp"

using namespace hive;
using hive::test::fake_member;

namespace {

executor::process_outcome run_cluster(const std::string& endpoint, std::vector<std::string> arguments) {
  executor::process_payload payload;
  payload.argv = {std::string{HIVE_PROGRAM_FOLDER} + "/hivectl", "cluster"};
  payload.argv.insert(payload.argv.end(), arguments.begin(), arguments.end());
  payload.env = {{"HIVE_ENDPOINT", endpoint}, {"HIVE_CONFIG", ""}};
  payload.time_limit_ms = 60'000;
  const auto outcome = executor::run_process(payload, {}, {}, {});
  if (!outcome) FAIL(outcome.failure().message);
  return *outcome;
}

v1::ClusterMember& add_member(v1::ClusterStatusResponse& status, std::uint64_t id, const std::string& endpoint) {
  auto& member = *status.add_members();
  member.set_node_id(id);
  member.set_endpoint(endpoint);
  member.set_role(v1::MEMBER_ROLE_VOTER);
  member.set_is_leader(status.leader_id() == id);
  member.set_is_linked(true);
  return member;
}

/// Makes `node` member `id` of a cluster that node 1 at `leader` leads.
void join(fake_member& node, std::uint64_t id, const std::string& leader) {
  auto& status = node.script().status;
  status.set_cluster("demo");
  status.set_node_id(id);
  status.set_role(id == 1 ? "leader" : "follower");
  status.set_leader_id(1);
  status.set_leader_endpoint(leader);
  status.set_term(7);
  status.set_log_first(41);
  status.set_log_last(91);
  status.set_commit_index(90);
  status.set_applied_index(89);
  add_member(status, 1, leader);
}

result<v1::ChangeClusterResponse> at_index(std::uint64_t index) {
  v1::ChangeClusterResponse done;
  done.set_index(index);
  return done;
}

constexpr int failed_precondition = 14;
constexpr int already_exists = 13;
constexpr int deadline_exceeded = 18;
constexpr int permission_denied = 19;

}  // namespace

TEST_CASE("cluster status shows the members in columns that line up") {
  fake_member node;
  join(node, 1, "127.0.0.1:7117");
  auto& second = add_member(node.script().status, 22, "host.example.org:7117");
  second.set_role(v1::MEMBER_ROLE_STAND_BY);
  second.set_is_linked(false);
  second.set_lag(1'234);
  second.set_version("1.2.3");
  const auto shown = run_cluster(node.endpoint(), {"status"});
  CHECK(shown.exit_code == 0);
  CHECK(shown.stdout_text ==
        "cluster      demo\n"
        "answered by  node 1  leader\n"
        "leader       node 1 at 127.0.0.1:7117\n"
        "term         7\n"
        "log          41 to 91, committed to 90, applied to 89\n"
        "\n"
        "ID  ENDPOINT               ROLE      LEADS   LINKED  LAG   VERSION\n"
        "1   127.0.0.1:7117         voter     leader  yes     -     -\n"
        "22  host.example.org:7117  stand_by  -       no      1234  1.2.3\n");
}

TEST_CASE("cluster status in JSON holds what the node says") {
  fake_member node;
  join(node, 1, "127.0.0.1:7117");
  const auto shown = run_cluster(node.endpoint(), {"status", "-o", "json"});
  CHECK(shown.exit_code == 0);
  const auto json = nlohmann::json::parse(shown.stdout_text);
  CHECK(json["role"] == "leader");
  CHECK(json["commit_index"] == 90);
  CHECK(json["members"][0]["role"] == "voter");
}

TEST_CASE("cluster status asks the leader that a follower names, and else leaves out what only a leader knows") {
  fake_member follower;
  {
    fake_member leader;
    join(leader, 1, leader.endpoint());
    join(follower, 2, leader.endpoint());
    add_member(leader.script().status, 2, follower.endpoint()).set_lag(17);
    const auto shown = run_cluster(follower.endpoint(), {"status", "-o", "json"});
    CHECK(shown.exit_code == 0);
    const auto json = nlohmann::json::parse(shown.stdout_text);
    CHECK(json["role"] == "leader");
    CHECK(json["members"][1]["lag"] == 17);
    CHECK_FALSE(json["members"][0].contains("lag"));  // its own
  }
  const auto table = run_cluster(follower.endpoint(), {"status"});
  CHECK(table.exit_code == 0);
  CHECK(table.stdout_text.find("answered by  node 2  follower  (how far") != std::string::npos);
  const auto alone = nlohmann::json::parse(run_cluster(follower.endpoint(), {"status", "-o", "json"}).stdout_text);
  CHECK(alone["role"] == "follower");
  CHECK_FALSE(alone["members"][0].contains("lag"));
  CHECK_FALSE(alone["members"][0].contains("match_index"));
}

TEST_CASE("a node that stands alone says so, and how it becomes a member") {
  fake_member node;
  node.script().status.set_role("standalone");
  const auto shown = run_cluster(node.endpoint(), {"status"});
  CHECK(shown.exit_code == 0);
  CHECK(shown.stdout_text.find("standalone") != std::string::npos);
  const auto refused = run_cluster(node.endpoint(), {"remove", "3"});
  CHECK(refused.exit_code == failed_precondition);
  CHECK(refused.stderr_text.find("stands alone") != std::string::npos);
  CHECK(refused.stderr_text.find("next:  give the node cluster.name and cluster.node_id") != std::string::npos);
}

TEST_CASE("changes go to the leader, whichever node was asked") {
  fake_member leader;
  fake_member follower;
  join(leader, 1, leader.endpoint());
  join(follower, 2, leader.endpoint());
  leader.script().on_change = [](const v1::ChangeClusterRequest&) { return at_index(92); };
  const auto done = run_cluster(follower.endpoint(), {"remove", "3", "--force"});
  INFO(done.stderr_text);
  CHECK(done.exit_code == 0);
  CHECK(done.stdout_text.find("node 3 is a member no more") != std::string::npos);
  CHECK(follower.script().changes.empty());
  REQUIRE(leader.script().changes.size() == 1);
  CHECK(leader.script().changes[0].remove().node_id() == 3);
  CHECK(leader.script().changes[0].remove().is_forced());
  CHECK(run_cluster(follower.endpoint(), {"demote", "2"}).exit_code == 0);
  CHECK(leader.script().changes.back().demote().node_id() == 2);
  CHECK_FALSE(leader.script().changes.back().demote().is_forced());
  CHECK(run_cluster(follower.endpoint(), {"promote", "2"}).exit_code == 0);
  CHECK(leader.script().changes.back().promote().node_id() == 2);
  CHECK(run_cluster(follower.endpoint(), {"transfer"}).exit_code == 0);
  CHECK(leader.script().changes.back().has_transfer());
  const auto same = run_cluster(follower.endpoint(), {"transfer", "1"});
  CHECK(same.stdout_text == "node 1 leads already\n");
  CHECK(leader.script().changes.back().transfer().node_id() == 0);
  const auto json = run_cluster(follower.endpoint(), {"transfer", "2", "-o", "json"});
  CHECK(nlohmann::json::parse(json.stdout_text)["index"] == 92);
  CHECK(leader.script().changes.back().transfer().node_id() == 2);
}

TEST_CASE("init is for the node that was asked, and a refusal says what to do") {
  fake_member node;
  node.script().status.set_role("waiting");
  CHECK(run_cluster(node.endpoint(), {"init"}).exit_code == 0);
  REQUIRE(node.script().changes.size() == 1);
  CHECK(node.script().changes[0].has_init());
  node.script().on_change = [](const auto&) -> result<v1::ChangeClusterResponse> {
    return error{errc::permission_denied, "the role client may not send this", {}};
  };
  const auto refused = run_cluster(node.endpoint(), {"init"});
  CHECK(refused.exit_code == permission_denied);
  CHECK(refused.stderr_text.find("hivectl tls issue operator NAME") != std::string::npos);
}

TEST_CASE("add makes a stand-by, waits until it has caught up, and promotes it") {
  fake_member leader;
  auto& script = leader.script();
  join(leader, 1, leader.endpoint());
  script.on_change = [&](const v1::ChangeClusterRequest& request) -> result<v1::ChangeClusterResponse> {
    if (request.has_add()) {
      auto& member = add_member(script.status, 4, request.add().endpoint());
      member.set_role(v1::MEMBER_ROLE_STAND_BY);
      member.set_match_index(88);
      member.set_lag(3);
    }
    if (request.has_promote() && script.changes.size() == 2)
      return error{errc::unavailable, "the new voter did not catch up", {}};
    if (request.has_promote()) script.status.mutable_members(1)->set_role(v1::MEMBER_ROLE_VOTER);
    return at_index(92);
  };
  const auto done = run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7118"});
  INFO(done.stderr_text);
  CHECK(done.exit_code == 0);
  CHECK(done.stdout_text == "node 4 at 127.0.0.1:7118 is a voter now\n");
  CHECK(done.stderr_text.find("node 4 at 127.0.0.1:7118 is 3 entries behind") != std::string::npos);
  REQUIRE(script.changes.size() == 3);
  CHECK(script.changes[0].add().endpoint() == "127.0.0.1:7118");
  CHECK(script.changes[2].promote().node_id() == 4);

  const auto again = run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7118"});
  CHECK(again.exit_code == 0);
  CHECK(again.stdout_text.find("is a voter already") != std::string::npos);
  const auto moved = run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7119"});
  CHECK(moved.exit_code == already_exists);
  CHECK(script.changes.size() == 3);
}

TEST_CASE("a leader that tells of a new member a little late does not confuse add") {
  fake_member leader;
  auto& script = leader.script();
  join(leader, 1, leader.endpoint());
  const error already_voter{errc::failed_precondition, "node 4 is a voter", "change"};
  int looks = 0;
  bool is_added = false;
  script.on_change = [&](const v1::ChangeClusterRequest& request) {
    is_added = is_added || request.has_add();
    if (script.changes.size() == 3) return result<v1::ChangeClusterResponse>(already_voter);
    return at_index(92);
  };
  script.on_status = [&] {
    if (!is_added || ++looks != 3) return;
    auto& member = add_member(script.status, 4, "127.0.0.1:7118");
    member.set_role(v1::MEMBER_ROLE_STAND_BY);
    member.set_match_index(91);
  };
  const auto done = run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7118"});
  INFO(done.stderr_text);
  CHECK(done.exit_code == 0);
  REQUIRE(script.changes.size() == 2);
  CHECK(script.changes[1].promote().node_id() == 4);

  // The same again, and it still tells of a stand-by when it is asked first.
  looks = 0;
  script.on_status = [&] {
    if (++looks > 2) script.status.mutable_members(1)->set_role(v1::MEMBER_ROLE_VOTER);
  };
  const auto again = run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7118"});
  INFO(again.stderr_text);
  CHECK(again.exit_code == 0);
  CHECK(script.changes.size() == 3);

  // A refusal that stays one is told.
  script.changes.pop_back();
  script.on_status = {};
  script.status.mutable_members(1)->set_role(v1::MEMBER_ROLE_STAND_BY);
  CHECK(run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7118"}).exit_code == failed_precondition);
}

TEST_CASE("a node that does not catch up in time stays a stand-by, and can be left one") {
  fake_member leader;
  auto& script = leader.script();
  join(leader, 1, leader.endpoint());
  script.on_change = [&](const v1::ChangeClusterRequest& request) {
    auto& member = add_member(script.status, request.add().node_id(), request.add().endpoint());
    member.set_role(v1::MEMBER_ROLE_STAND_BY);
    member.set_is_linked(false);
    return at_index(92);
  };
  const auto late = run_cluster(leader.endpoint(), {"add", "4", "127.0.0.1:7118", "--for", "1s"});
  CHECK(late.exit_code == deadline_exceeded);
  CHECK(late.stderr_text.find("node 4 stays a stand-by") != std::string::npos);
  CHECK(late.stderr_text.find("hivectl cluster promote 4") != std::string::npos);
  const auto stays = run_cluster(leader.endpoint(), {"add", "5", "127.0.0.1:7119", "--stand-by"});
  CHECK(stays.exit_code == 0);
  CHECK(stays.stdout_text.find("is a stand-by") != std::string::npos);
  CHECK(script.changes.size() == 2);
}

TEST_CASE("a cluster without a leader is waited for within the timeout, and the error says so") {
  fake_member node;
  join(node, 2, "");
  node.script().status.set_role("candidate");
  node.script().status.set_leader_id(0);
  const auto refused = run_cluster(node.endpoint(), {"--timeout", "1s", "remove", "3"});
  CHECK(refused.exit_code == 16);
  CHECK(refused.stderr_text.find("node 2 knows of no leader") != std::string::npos);
  CHECK(refused.stderr_text.find("hivectl cluster recover --help") != std::string::npos);
  CHECK(node.script().changes.empty());
}
