// What keeps clusters of one name apart, and the work of a node from being replaced.
#include "replication/lineage.hpp"
#include "actors/member_store.hpp"
#include "tests/actors/cluster_fixture.hpp"

namespace hive {
namespace {

using std::chrono::milliseconds;
using test::cluster_fixture;

struct lineage_fixture : cluster_fixture {
  void init(std::uint64_t id) {
    prepare(id);
    start(id);
    v1::ChangeClusterRequest request;
    request.mutable_init();
    REQUIRE(change(id, request));
    advance(milliseconds(3000));
    REQUIRE(members.at(id).context->cluster->leadership().is_leader());
  }
  result<v1::ChangeClusterResponse> add(std::uint64_t to, std::uint64_t id) {
    v1::ChangeClusterRequest request;
    request.mutable_add()->set_node_id(id);
    request.mutable_add()->set_endpoint(endpoint(id));
    return change(to, request);
  }
  std::uint64_t lineage(std::uint64_t id) {
    const auto found = standing_of(*members.at(id).store);
    REQUIRE(found);
    return found->lineage;
  }
  /// What node `from` is told by node `to`; empty: it is let in.
  std::string hello(std::uint64_t from, std::uint64_t to) {
    v1::PeerHelloRequest request;
    request.set_cluster("test");
    request.set_node_id(from);
    request.set_endpoint(endpoint(from));
    request.set_receiver_id(to);
    request.set_rules_version(core::rules_version);
    request.set_lineage(lineage(from));
    const auto answer = std::make_shared<std::optional<std::string>>();
    system.spawn([answer, request, receiver = members.at(to).runtime->member()](caf::event_based_actor* self) {
      self->request(receiver, caf::infinite, request)
          .then([answer](const v1::PeerHelloResponse&, const caf::strong_actor_ptr&) { *answer = ""; },
                [answer](const caf::error& failure) { *answer = to_error(failure).message; });
    });
    settle();
    REQUIRE(*answer);
    return **answer;
  }
};

}  // namespace

TEST_CASE_METHOD(lineage_fixture,
                 "founders that name each other have one lineage, other clusters of the name have others") {
  found(3);
  await_leader();
  const auto common = lineage(1);
  CHECK(common != 0);
  CHECK(lineage(2) == common);
  CHECK(lineage(3) == common);
  init(4);
  init(5);
  CHECK(lineage(4) != common);
  CHECK(lineage(4) != lineage(5));
  CHECK(hello(1, 2).empty());
  CHECK(hello(4, 5).find("founded apart") != std::string::npos);
  CHECK(hello(5, 1).find("founded apart") != std::string::npos);
}

TEST_CASE_METHOD(lineage_fixture, "two clusters of one name are not merged by adding one to the other") {
  init(1);
  init(2);
  const auto first = create(1, 3);
  const auto other = create(2, 4);
  REQUIRE(first);
  REQUIRE(other);
  REQUIRE(add(1, 2));  // a stand-by that is not reached
  advance(milliseconds(5000));
  CHECK(leaders() == std::set<std::uint64_t>{1, 2});
  CHECK_FALSE(get(1, other->items(3).task_id()));
  CHECK(get(2, other->items(3).task_id()));
}

TEST_CASE_METHOD(lineage_fixture, "a member that was added is of the lineage of its cluster, also after a restart") {
  init(1);
  prepare(2);
  start(2);
  CHECK(lineage(2) == 0);
  CHECK(hello(1, 2).empty());
  REQUIRE(add(1, 2));
  REQUIRE(create(1, 3));
  advance(milliseconds(5000));
  CHECK(lineage(2) == lineage(1));
  // A node of another lineage is refused at once, and not only after a restart.
  init(3);
  CHECK(hello(3, 2).find("founded apart") != std::string::npos);
  stop(2);
  start(2);
  CHECK(lineage(2) == lineage(1));
  CHECK(hello(2, 1).empty());
}

TEST_CASE_METHOD(lineage_fixture, "a recovered node and what is left of its old cluster do not mix") {
  found(3);
  await_leader();
  const auto before = lineage(1);
  stop(1);
  {
    const auto store = persistence::store::open_replaceable(options_of(1));
    REQUIRE(store);
    const auto transaction = (*store)->write();
    replication::put_lineage(*transaction, 77);
    REQUIRE(transaction->commit());
  }
  start(1);
  CHECK(lineage(1) != before);
  CHECK(hello(2, 1).find("recovered") != std::string::npos);
  CHECK(hello(1, 2).find("recovered") != std::string::npos);
}

TEST_CASE_METHOD(lineage_fixture, "a node with tasks of its own is not made a copy of others") {
  init(1);
  REQUIRE(create(1, 1));
  prepare(2);
  work_alone(2, 5);
  start(2);
  CHECK(status(2).role() == "waiting");
  CHECK(hello(1, 2).find("tasks of its own") != std::string::npos);
  REQUIRE(add(1, 2));
  advance(milliseconds(5000));
  CHECK(get(2, 281474976710661));
}

}  // namespace hive
