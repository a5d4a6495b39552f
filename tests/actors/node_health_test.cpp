#include "actors/node_health.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "tests/actors/fixture.hpp"

namespace hive {
namespace {

using core::health_question;
using namespace std::chrono_literals;

health_signs standalone() {
  health_signs signs;
  signs.status.set_role("standalone");
  return signs;
}

health_signs member(const std::string& role, std::uint64_t leader_id) {
  health_signs signs;
  signs.report_age = 100ms;
  signs.status.set_role(role);
  signs.status.set_leader_id(leader_id);
  return signs;
}

bool is_yes(health_question question, const health_signs& signs) { return !health_problem(question, signs); }

/// Whether pings are answered.
struct health_fixture : test::system_fixture {
  health_fixture() {
    front = system.spawn([this](node_actor::pointer self) -> node_actor::behavior_type {
      return {[](const v1::HelloRequest&) -> caf::result<v1::HelloResponse, node_directory> {
                return caf::sec::runtime_error;
              },
              [this, self](const v1::PingRequest&) -> caf::result<v1::PingResponse> {
                ++pings;
                if (is_answering) return v1::PingResponse{};
                return self->make_response_promise<v1::PingResponse>();
              },
              [](const v1::StatusRequest&) -> caf::result<v1::StatusResponse> { return caf::sec::runtime_error; },
              [](const v1::CheckRequest&) -> caf::result<v1::CheckResponse> { return caf::sec::runtime_error; }};
    });
    health.enter(node_stage::serving);
    health.watch(system, front);
    settle();
  }
  ~health_fixture() {
    caf::anon_send_exit(front, caf::exit_reason::user_shutdown);
    settle();
  }
  void pass(std::chrono::milliseconds time) {
    for (auto passed = 0ms; passed < time; passed += 100ms) {
      now += 100ms;
      advance(100ms);
    }
  }

  bool is_answering = true;
  int pings = 0;
  std::chrono::steady_clock::time_point now{};
  std::shared_ptr<service_context> context = std::make_shared<service_context>();
  node_health health{context, [this] { return now; }};
  node_actor front;
};

}  // namespace

TEST_CASE("live asks for nothing but an answer of the node's own actor") {
  auto signs = member("candidate", 0);
  signs.status.set_failure("the disk is full");
  signs.report_age = 1h;
  for (const auto stage : {node_stage::starting, node_stage::serving, node_stage::stopping}) {
    signs.stage = stage;
    signs.silence = silence_max;
    CHECK(is_yes(health_question::live, signs));
    signs.silence = silence_max + 1s;
    CHECK(health_problem(health_question::live, signs) == "the node's actor has not answered for 11 s");
  }
  signs = standalone();
  signs.silence = silence_max + 1s;
  for (const auto question : core::health_questions) CHECK_FALSE(is_yes(question, signs));
}

TEST_CASE("a node that starts or stops is neither ready nor the leader") {
  for (auto signs : {standalone(), member("leader", 1)}) {
    CHECK(is_yes(health_question::ready, signs));
    CHECK(is_yes(health_question::leader, signs));
    signs.stage = node_stage::starting;
    CHECK(health_problem(health_question::ready, signs) == "the node is starting");
    signs.stage = node_stage::stopping;
    CHECK(health_problem(health_question::ready, signs) == "the node is stopping");
    CHECK(health_problem(health_question::leader, signs) == "the node is stopping");
  }
}

TEST_CASE("a member whose replicator hangs leads no more, whatever it reported last") {
  auto signs = member("leader", 1);
  signs.report_age = report_age_max;
  CHECK(is_yes(health_question::leader, signs));
  signs.report_age = report_age_max + 1s;
  CHECK(health_problem(health_question::leader, signs) == "replication has not reported for 6 s");
  CHECK(health_problem(health_question::ready, signs) == "replication has not reported for 6 s");
  // One that has given up does not report either, but its last word says more.
  signs.status.set_failure("the disk is full");
  CHECK(health_problem(health_question::ready, signs) == "replication stands still: the disk is full");
}

TEST_CASE_METHOD(health_fixture, "a node that stands alone is not ready while its disk takes no batch") {
  pass(60s);
  context->writing_since = now - write_age_max;
  for (const auto question : core::health_questions) CHECK_FALSE(health.problem(question));
  context->writing_since = now - write_age_max - 1s;
  CHECK(health.problem(health_question::ready) == "a batch has been on its way to disk for 6 s");
  CHECK(health.problem(health_question::leader) == "a batch has been on its way to disk for 6 s");
  CHECK_FALSE(health.problem(health_question::live));
  context->writing_since = std::chrono::steady_clock::time_point{};
  CHECK_FALSE(health.problem(health_question::ready));
}

TEST_CASE_METHOD(health_fixture, "a node whose actor answers is live, and is asked once a second") {
  pass(60s);
  CHECK(pings >= 55);
  CHECK(pings <= 65);
  for (const auto question : core::health_questions) CHECK_FALSE(health.problem(question));
}

TEST_CASE_METHOD(health_fixture, "a node whose actor is stuck is not live after ten seconds") {
  pass(5s);
  is_answering = false;
  pass(9s);
  CHECK_FALSE(health.problem(health_question::live));
  pass(3s);
  REQUIRE(health.problem(health_question::live));
  CHECK(health.problem(health_question::live)->find("has not answered for 1") != std::string::npos);
  const int asked = pings;
  pass(10s);
  CHECK(pings == asked);  // one question at a time: nothing piles up
}

TEST_CASE_METHOD(health_fixture, "the shutdown is seen at once, and a member's own view is used") {
  context->cluster = std::make_shared<cluster_view>();
  context->cluster->set(member("follower", 0).status);
  CHECK(health.problem(health_question::ready) == "no leader is known");
  CHECK_FALSE(health.problem(health_question::live));
  context->cluster->set(member("leader", 1).status);
  CHECK_FALSE(health.problem(health_question::leader));
  health.enter(node_stage::stopping);
  CHECK(health.problem(health_question::leader) == "the node is stopping");
  health.enter(node_stage::serving);
  context->is_stopping = true;
  CHECK(health.problem(health_question::ready) == "the node is stopping");
  CHECK_FALSE(health.problem(health_question::live));
}

}  // namespace hive
