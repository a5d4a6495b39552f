#include "tests/actors/cluster_fixture.hpp"

using namespace hive;
using namespace hive::test;
using std::chrono::milliseconds;

TEST_CASE_METHOD(cluster_fixture, "three founders elect one leader, and what it acknowledged is on all of them") {
  found(3);
  const auto leader = await_leader();
  const auto created = create(leader, 3);
  REQUIRE(created);
  REQUIRE(created->items_size() == 3);
  for (const auto& item : created->items()) CHECK(is_ok(item.status()));
  advance(milliseconds(300));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    INFO("node " << id);
    CHECK(get(id, created->items(0).task_id()));
  }
  check_same_state();
}

TEST_CASE_METHOD(cluster_fixture, "a follower refuses changes and says who leads") {
  found(3);
  const auto leader = await_leader();
  advance(milliseconds(500));
  const auto follower = leader == 1 ? 2U : 1U;
  const auto refused = create(follower, 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::not_leader);
  CHECK(refused.failure().field == endpoint(leader));
  CHECK(members.at(follower).context->cluster->leadership().endpoint() == endpoint(leader));
}

TEST_CASE_METHOD(cluster_fixture, "when the leader dies another one goes on with all that was acknowledged") {
  found(3);
  const auto first = await_leader();
  const auto created = create(first, 10, "key");
  REQUIRE(created);
  stop(first);
  const auto second = await_leader();
  CHECK(second != first);
  for (const auto& item : created->items()) CHECK(get(second, item.task_id()));
  SECTION("a create that is repeated with its key is not done twice") {
    const auto again = create(second, 10, "key");
    REQUIRE(again);
    for (int i = 0; i < 10; ++i) {
      CHECK(again->items(i).task_id() == created->items(i).task_id());
      CHECK(again->items(i).is_replay());
    }
  }
  SECTION("the dead one comes back and catches up") {
    REQUIRE(create(second, 5));
    start(first);
    advance(milliseconds(2000));
    CHECK(leaders().size() == 1);
    check_same_state();
  }
}

TEST_CASE_METHOD(cluster_fixture, "a leader without a majority acknowledges nothing") {
  found(3);
  const auto leader = await_leader();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    if (id != leader) cut(leader, id);
  }
  const auto lost = create(leader, 1, "lost");
  REQUIRE_FALSE(lost);
  CHECK((lost.failure().code == errc::unavailable || lost.failure().code == errc::not_leader));
  heal();
  const auto next = await_leader();
  REQUIRE(create(next, 1, "lost"));
  advance(milliseconds(2000));
  check_same_state();
}

TEST_CASE_METHOD(cluster_fixture, "the state survives a restart of all nodes") {
  found(3);
  const auto created = create(await_leader(), 20);
  REQUIRE(created);
  for (std::uint64_t id = 1; id <= 3; ++id) stop(id);
  for (std::uint64_t id = 1; id <= 3; ++id) start(id);
  const auto leader = await_leader();
  for (const auto& item : created->items()) CHECK(get(leader, item.task_id()));
  advance(milliseconds(500));
  check_same_state();
}

TEST_CASE_METHOD(cluster_fixture, "a node that stood alone becomes a cluster of three with all its tasks") {
  // Alone first.
  prepare(1);
  members.at(1).context->config.cluster = {};
  {
    persistence::store_options options;
    options.folder = members.at(1).folder->path();
    options.map_bytes_max = 64ULL << 20;
    auto store = persistence::store::open(options);
    REQUIRE(store);
    auto context = members.at(1).context;
    context->store = store->get();
    context->incarnation = 77;
    context->work_admission = std::make_shared<admission>(10'000, 64 << 20);
    context->sessions = std::make_shared<session_table>();
    auto alone = node_runtime::start(system, context, false);
    REQUIRE(alone);
    v1::CreateTasksRequest request;
    for (int i = 0; i < 50; ++i) request.add_specs()->set_type("noop");
    REQUIRE(call<v1::CreateTasksResponse>(caf::actor_cast<task_manager_actor>((*alone)->directory().task_manager),
                                          request));
    (*alone)->end_actors();
    settle();
  }
  prepare(1);
  start(1);
  CHECK(status(1).role() == "waiting");
  v1::ChangeClusterRequest init;
  init.mutable_init();
  REQUIRE(change(1, init));
  CHECK(await_leader() == 1);
  CHECK(get(1, 281474976710657));
  for (std::uint64_t id = 2; id <= 3; ++id) {
    prepare(id);
    start(id);
    v1::ChangeClusterRequest add;
    add.mutable_add()->set_node_id(id);
    add.mutable_add()->set_endpoint(endpoint(id));
    const auto added = change(1, add);
    if (!added) UNSCOPED_INFO(to_string(added.failure()));
    REQUIRE(added);
    v1::ChangeClusterRequest promote;
    promote.mutable_promote()->set_node_id(id);
    const auto promoted = change(1, promote);
    if (!promoted) UNSCOPED_INFO(to_string(promoted.failure()));
    REQUIRE(promoted);
  }
  REQUIRE(create(1, 5));
  advance(milliseconds(1000));
  check_same_state();
  CHECK(status(1).members_size() == 3);
  // Founded by a copy, so that any of the three may die.
  stop(1);
  const auto next = await_leader();
  CHECK(get(next, 281474976710657));
}

TEST_CASE_METHOD(cluster_fixture, "leadership is handed over on demand") {
  found(3);
  const auto first = await_leader();
  advance(milliseconds(500));
  v1::ChangeClusterRequest transfer;
  transfer.mutable_transfer();
  const auto done = change(first, transfer);
  if (!done) UNSCOPED_INFO(to_string(done.failure()));
  REQUIRE(done);
  advance(milliseconds(200));
  const auto second = await_leader();
  CHECK(second != first);
  REQUIRE(create(second, 1));
}

TEST_CASE_METHOD(cluster_fixture, "a barrier passes at the leader and at a follower, and not at a cut off node") {
  found(3);
  const auto leader = await_leader();
  advance(milliseconds(500));
  REQUIRE(create(leader, 1));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    INFO("node " << id);
    const auto passed = call<v1::ReadBarrierResponse>(manager(id), v1::ReadBarrierRequest{});
    REQUIRE(passed);
    CHECK(passed->applied_index() >= status(leader).commit_index());
  }
  const auto follower = leader == 1 ? 2U : 1U;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    if (id != follower) cut(follower, id);
  }
  CHECK_FALSE(call<v1::ReadBarrierResponse>(manager(follower), v1::ReadBarrierRequest{}));
}

TEST_CASE_METHOD(cluster_fixture, "a member's data are refused to a node that stands alone, or has another number") {
  found(1);
  await_leader();
  stop(1);
  persistence::store_options options;
  options.folder = members.at(1).folder->path();
  options.map_bytes_max = 64ULL << 20;
  auto store = persistence::store::open(options);
  REQUIRE(store);
  const auto alone = check_standalone(**store);
  REQUIRE_FALSE(alone);
  CHECK(alone.failure().code == errc::failed_precondition);
  CHECK(alone.failure().field == "node.data_dir");
  auto other = members.at(1).context->config;
  other.cluster.node_id = 2;
  other.cluster.peers.clear();
  const auto renumbered = prepare_member(**store, other);
  REQUIRE_FALSE(renumbered);
  CHECK(renumbered.failure().field == "node.data_dir");
}
