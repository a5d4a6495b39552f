#include "core/keys.hpp"
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

TEST_CASE_METHOD(cluster_fixture, "the limits of all nodes are those in the settings of the one that leads") {
  found(3);
  await_leader();
  // As with settings that are changed node by node.
  for (std::uint64_t id = 1; id <= 3; ++id) stop(id);
  for (std::uint64_t id = 1; id <= 3; ++id) members.at(id).context->limits.retention_ms = 1000 * static_cast<int>(id);
  for (std::uint64_t id = 1; id <= 3; ++id) start(id);
  const auto expect_limits_of = [&](std::uint64_t leader) {
    REQUIRE(create(leader, 1));
    advance(milliseconds(500));
    for (const auto& [id, node] : members) {
      if (!node.is_up()) continue;
      INFO("leader " << leader << ", node " << id);
      const auto snapshot = node.store->read();
      const auto stored = snapshot->get(core::table::meta, "limit.retention_ms");
      REQUIRE(stored);
      CHECK(core::read_u64(*stored, 0) == 1000 * leader);
    }
    check_same_state();
  };
  const auto first = await_leader();
  expect_limits_of(first);
  stop(first);
  const auto second = await_leader();
  CHECK(second != first);
  expect_limits_of(second);
  // The one that comes back takes what counts now.
  start(first);
  advance(milliseconds(2000));
  expect_limits_of(await_leader());
}

TEST_CASE_METHOD(cluster_fixture, "a node with other rules is refused, and told so") {
  found(3);
  await_leader();
  v1::PeerHelloRequest request;
  request.set_cluster("test");
  request.set_node_id(2);
  request.set_endpoint(endpoint(2));
  request.set_receiver_id(1);
  request.set_version("0.9");
  request.set_rules_version(core::rules_version + 1);
  std::optional<error> refusal;
  system.spawn([&, receiver = members.at(1).runtime->member()](caf::event_based_actor* self) {
    self->request(receiver, caf::infinite, request)
        .then([](const v1::PeerHelloResponse&, const caf::strong_actor_ptr&) {},
              [&refusal](const caf::error& failure) { refusal = to_error(failure); });
  });
  settle();
  REQUIRE(refusal);
  CHECK(refusal->code == errc::failed_precondition);
  CHECK(refusal->field == "rules_version");
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
  work_alone(1, 50);
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
  auto store = persistence::store::open(options_of(1));
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

namespace {

/// A worker's session actor that asks in its own name.
struct cluster_worker {
  caf::actor actor;
  std::shared_ptr<session_inbox> inbox = std::make_shared<session_inbox>();
};

template <class Response, class Handle, class Request>
result<Response> ask_in_name_of(cluster_fixture& cluster, const cluster_worker& worker, const Handle& receiver,
                                const Request& request) {
  const error none{errc::internal, "no answer", {}};
  auto answer = std::make_shared<result<Response>>(none);
  caf::anon_send(worker.actor, actor_task([answer, receiver, request](caf::event_based_actor* self) {
                   self->request(receiver, caf::infinite, request)
                       .then([answer](const Response& response) { *answer = response; },
                             [answer](const caf::error& failure) { *answer = to_error(failure); });
                 }));
  cluster.settle();
  for (int i = 0; i < 100 && !*answer && answer->failure().message == none.message; ++i)
    cluster.advance(milliseconds(10));
  return *answer;
}

result<v1::RegisterWorkerResponse> enroll(cluster_fixture& cluster, const cluster_worker& worker, std::uint64_t node,
                                          const std::vector<v1::TaskAttempt>& running) {
  v1::RegisterWorkerRequest request;
  request.set_is_executor(true);
  request.mutable_spec()->set_name("w");
  request.mutable_spec()->set_slots(2);
  request.mutable_spec()->set_incarnation(7);
  for (const auto& one : running) *request.add_running() = one;
  return ask_in_name_of<v1::RegisterWorkerResponse>(
      cluster, worker,
      caf::actor_cast<worker_registry_actor>(cluster.members.at(node).runtime->directory().worker_registry), request);
}

}  // namespace

TEST_CASE_METHOD(cluster_fixture, "a worker keeps its tasks through a failover, and completes them once") {
  found(3);
  const auto first = await_leader();
  cluster_worker worker;
  worker.actor = system.spawn(recording_session, worker.inbox);
  sessions.push_back(worker.actor);
  REQUIRE(enroll(*this, worker, first, {}));
  const auto created = create(first, 3);
  REQUIRE(created);
  advance(milliseconds(200));
  REQUIRE(worker.inbox->assignments.size() == 2);
  std::vector<v1::TaskAttempt> running;
  for (const auto& one : worker.inbox->assignments) {
    auto& held = running.emplace_back();
    held.set_task_id(one.task_id());
    held.set_attempt(one.attempt());
  }
  stop(first);
  const auto second = await_leader();
  const auto refused = enroll(*this, worker, 1 + 2 + 3 - first - second, running);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::not_leader);
  const auto registered = enroll(*this, worker, second, running);
  REQUIRE(registered);
  CHECK(registered->kept_size() == 2);
  advance(milliseconds(1000));
  for (const auto& one : running) {
    const auto task = get(second, one.task_id());
    REQUIRE(task);
    CHECK(task->status().attempt() == one.attempt());
    CHECK(task->status().state() != v1::TASK_STATE_QUEUED);
  }
  v1::ReportTasksRequest reports;
  reports.set_worker_id(registered->worker().id());
  reports.set_session(registered->worker().session());
  for (const auto& one : running) {
    auto& report = *reports.add_reports();
    report.set_task_id(one.task_id());
    report.set_attempt(one.attempt());
    report.mutable_completed();
  }
  const auto dispatch = caf::actor_cast<dispatcher_actor>(members.at(second).runtime->directory().dispatcher);
  const auto done = ask_in_name_of<v1::ReportTasksResponse>(*this, worker, dispatch, reports);
  if (!done) UNSCOPED_INFO(to_string(done.failure()));
  REQUIRE(done);
  for (const auto& item : done->items()) CHECK(is_ok(item.status()));
  // Its slots are free again, so the third task is handed out by the new leader.
  advance(milliseconds(200));
  CHECK(worker.inbox->assignments.size() == 3);
  check_same_state();
}

TEST_CASE_METHOD(cluster_fixture, "a worker that does not find the new leader in time loses its tasks") {
  found(3);
  const auto first = await_leader();
  cluster_worker worker;
  worker.actor = system.spawn(recording_session, worker.inbox);
  sessions.push_back(worker.actor);
  REQUIRE(enroll(*this, worker, first, {}));
  const auto created = create(first, 1);
  REQUIRE(created);
  advance(milliseconds(200));
  REQUIRE(worker.inbox->assignments.size() == 1);
  stop(first);
  const auto second = await_leader();
  advance(milliseconds(8000));
  const auto task = get(second, created->items(0).task_id());
  REQUIRE(task);
  CHECK(task->status().state() == v1::TASK_STATE_QUEUED);
  CHECK(task->status().reason() == v1::REASON_WORKER_LOST);
  advance(milliseconds(500));
  check_same_state();
}
