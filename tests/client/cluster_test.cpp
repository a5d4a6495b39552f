#include <catch2/catch.hpp>

#include <condition_variable>
#include <future>

#include "client/client.hpp"
#include "client/worker.hpp"
#include "tests/client/fake_node.hpp"

namespace hive {
namespace {

using namespace std::chrono_literals;
using test::fake_node;

/// Nodes that agree on who leads, until a test says otherwise.
struct fake_cluster {
  explicit fake_cluster(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) nodes.push_back(std::make_unique<fake_node>());
    for (const auto& one : nodes) members.push_back(one->endpoint());
    elect(0);
  }

  fake_node& operator[](std::size_t i) { return *nodes[i]; }
  void elect(std::size_t leader) { tell_all(members[leader]); }
  void tell_all(const std::string& leader) {
    for (const auto& one : nodes) {
      if (one) one->know_leader(leader, members);
    }
  }
  /// As when its process dies.
  void stop(std::size_t i) { nodes[i].reset(); }
  [[nodiscard]] config::client_config settings(const std::string& endpoint) const {
    config::client_config made;
    made.endpoint = endpoint;
    made.request_timeout_ms = 5'000;
    made.total_timeout_ms = 20'000;
    return made;
  }
  [[nodiscard]] config::client_config settings() const {
    std::string all;
    for (const auto& one : members) all += (all.empty() ? "" : ",") + one;
    return settings(all);
  }

  std::vector<std::unique_ptr<fake_node>> nodes;
  std::vector<std::string> members;
};

std::shared_ptr<client> connected(const config::client_config& settings) {
  auto made = connect(settings);
  REQUIRE(made);
  REQUIRE((*made)->wait_connected(10s));
  return *made;
}

std::string closed_endpoint() {
  test::tcp_relay closed(1);
  return "127.0.0.1:" + std::to_string(closed.port());
}

std::size_t created_at(fake_node& node) {
  std::lock_guard lock(node.script().mutex);
  return node.script().tasks.size();
}

TEST_CASE("endpoints are tried in turn until one answers") {
  fake_node node;
  auto settings = node.client_settings();
  settings.endpoint = closed_endpoint() + ", " + closed_endpoint() + "," + settings.endpoint;
  auto hive = connected(settings);
  CHECK(hive->create_task(make_task("t")));
}

TEST_CASE("an endpoint of the list that cannot be parsed is refused with the setting") {
  config::client_config settings;
  settings.endpoint = GENERATE("127.0.0.1:1,nonsense", "127.0.0.1:1,", "127.0.0.1:0", "");
  auto hive = connect(settings);
  REQUIRE_FALSE(hive);
  CHECK(hive.failure().code == errc::invalid_argument);
  CHECK(hive.failure().field == "client.endpoint");
}

TEST_CASE("a client that reaches another node goes to the leader, also one that it was not told of") {
  fake_cluster cluster(3);
  cluster.elect(2);
  auto hive = connected(cluster.settings(cluster.members[1]));
  REQUIRE(hive->create_task(make_task("t")));
  CHECK(created_at(cluster[2]) == 1);
  CHECK(cluster[1].script().refusals == 0);
}

TEST_CASE("a change that is refused with not_leader is repeated at the leader, also one that is sent once only") {
  fake_cluster cluster(2);
  auto hive = connected(cluster.settings());
  cluster.elect(1);
  SECTION("a create") {
    const auto created = hive->create_task(make_task("t"));
    REQUIRE(created);
    CHECK_FALSE(created->is_replay);
    CHECK(created_at(cluster[1]) == 1);
  }
  SECTION("a publish") {
    v1::TaskEvent event;
    event.set_name("mine.happened");
    REQUIRE(hive->publish(event));
    CHECK(cluster[1].script().publishes == 1);
  }
  CHECK(created_at(cluster[0]) == 0);
  CHECK(cluster[0].script().publishes == 0);
}

TEST_CASE("a link that has nothing to do moves when its node says that it no longer leads") {
  fake_cluster cluster(2);
  auto hive = connected(cluster.settings());
  cluster.elect(1);
  REQUIRE(cluster[1].script().wait_for([&] { return cluster[1].script().hellos == 1; }));
  REQUIRE(hive->create_task(make_task("t")));
  CHECK(cluster[0].script().refusals == 0);
}

TEST_CASE("when the leader dies its calls end at the next one") {
  fake_cluster cluster(3);
  auto hive = connected(cluster.settings(cluster.members[0]));
  cluster[0].script().creates_to_swallow = 1;
  auto call = hive->async().create_task(make_task("t"));
  REQUIRE(cluster[0].script().wait_for([&] { return cluster[0].script().create_batches.size() == 1; }));
  cluster.stop(0);
  // The others notice only after the client has asked one of them, which names the dead one.
  REQUIRE(cluster[1].script().wait_for([&] { return cluster[1].script().hellos > 0; }));
  cluster.tell_all("");
  cluster.elect(2);
  REQUIRE(call.get());
  CHECK(created_at(cluster[2]) == 1);
  CHECK(created_at(cluster[1]) == 0);
}

TEST_CASE("at a node that knows of no leader a client waits for its news, over one connection") {
  fake_cluster cluster(1);
  cluster.tell_all("");
  auto made = connect(cluster.settings());
  REQUIRE(made);
  auto call = (*made)->async().create_task(make_task("t"));
  REQUIRE(cluster[0].script().wait_for([&] { return cluster[0].script().pings >= 2; }));
  CHECK(call.wait_for(0ms) == std::future_status::timeout);
  const auto connection = (*made)->wait_connected(0ms);
  REQUIRE_FALSE(connection);
  CHECK(connection.failure().message.find("knows of no leader") != std::string::npos);
  cluster.elect(0);
  REQUIRE(call.get());
  CHECK(cluster[0].script().hellos == 1);
}

TEST_CASE("nodes that name each other are not asked in a hurry, and the truth is found") {
  fake_cluster cluster(2);
  cluster[0].know_leader(cluster.members[1], cluster.members);
  cluster[1].know_leader(cluster.members[0], cluster.members);
  auto settings = cluster.settings();
  settings.total_timeout_ms = 1'000;
  auto hive = connect(settings);
  REQUIRE(hive);
  const auto created = (*hive)->create_task(make_task("t"));
  REQUIRE_FALSE(created);
  CHECK(created.failure().code == errc::unavailable);
  CHECK(cluster[0].script().hellos + cluster[1].script().hellos >= 3);
  CHECK(cluster[0].script().hellos + cluster[1].script().hellos <= 8);
  cluster.elect(1);
  CHECK((*hive)->wait_connected(10s));
  CHECK((*hive)->create_task(make_task("t")));
}

TEST_CASE("a node that says it leads and refuses changes all the same is not asked in a hurry") {
  fake_cluster cluster(1);
  auto settings = cluster.settings();
  settings.total_timeout_ms = 1'000;
  auto hive = connected(settings);
  auto& script = cluster[0].script();
  script.says_not_leader = true;
  const auto created = hive->create_task(make_task("t"));
  REQUIRE_FALSE(created);
  CHECK(created.failure().code == errc::not_leader);
  CHECK(script.refusals >= 2);
  CHECK(script.refusals <= 16);  // after 5, 10, 20, 40, 80 ms, then every 100
}

TEST_CASE("a client that prefers any node stays, reads there, and is told who takes its changes") {
  fake_cluster cluster(2);
  auto settings = cluster.settings(cluster.members[1]);
  settings.prefer = "any";
  auto hive = connected(settings);
  CHECK(hive->get_task(task_id{1}));
  CHECK(cluster[1].script().reads == 1);
  const auto refused = hive->create_task(make_task("t"));
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::not_leader);
  CHECK(refused.failure().field == cluster.members[0]);
  CHECK(hive->get_task(task_id{1}));
  CHECK(cluster[1].script().hellos == 1);
  CHECK(cluster[0].script().hellos == 0);
  // It learned of the others, and goes to one of them when its own is gone.
  cluster.stop(1);
  CHECK(hive->get_task(task_id{1}));
  CHECK(cluster[0].script().reads == 1);
}

TEST_CASE("a linearizable read follows a barrier at the same node") {
  fake_cluster cluster(1);
  auto settings = cluster.settings();
  auto& script = cluster[0].script();
  SECTION("every read, if the client is told so") {
    settings.reads = "linearizable";
    auto hive = connected(settings);
    CHECK(hive->get_task(task_id{1}));
    CHECK(hive->get_task(task_id{2}));
    CHECK(script.answered == std::vector<std::string>{"barrier", "get", "barrier", "get"});
    CHECK(hive->create_task(make_task("t")));
    CHECK(script.answered.size() == 4);
  }
  SECTION("one read") {
    auto hive = connected(settings);
    CHECK(hive->get_task(task_id{1}));
    REQUIRE(hive->read_barrier());
    CHECK(hive->get_task(task_id{1}));
    CHECK(script.answered == std::vector<std::string>{"get", "barrier", "get"});
  }
}

TEST_CASE("a linearizable read whose barrier was passed at a node that is gone starts anew at the next one") {
  fake_cluster cluster(2);
  auto settings = cluster.settings();
  settings.reads = "linearizable";
  auto hive = connected(settings);
  cluster[0].script().barriers_to_swallow = 1;
  auto read = hive->async().get_task(task_id{1});
  auto& first = cluster[0].script();
  REQUIRE(first.wait_for([&] { return first.answered.size() == 1; }));
  CHECK(read.wait_for(0ms) == std::future_status::timeout);
  cluster.elect(1);
  cluster.stop(0);
  CHECK(read.get());
  CHECK(cluster[1].script().answered == std::vector<std::string>{"barrier", "get"});
}

TEST_CASE("a subscription goes on at another node from its cursor, once that node has come so far") {
  fake_cluster cluster(2);
  for (std::uint64_t i = 1; i <= 30; ++i) cluster[0].append_event(i);
  for (std::uint64_t i = 1; i <= 10; ++i) cluster[1].append_event(i);
  cluster[1].script().is_lagging = true;
  auto hive = connected(cluster.settings());
  subscribe_options options;
  options.after = event_seq{0};
  auto events = hive->subscribe(std::move(options));
  REQUIRE(events);
  std::uint64_t expected = 1;
  for (; expected <= 20; ++expected) {
    auto event = events->next(10s);
    REQUIRE(event);
    REQUIRE(event->seq() == expected);
  }
  // What the client has received is more than what was taken from it.
  REQUIRE(cluster[0].script().wait_for([&] { return cluster[0].script().log.size() == 30; }));
  cluster.elect(1);
  cluster.stop(0);
  auto& next = cluster[1].script();
  REQUIRE(next.wait_for([&] { return next.subscribed_after.size() >= 2; }));
  for (std::uint64_t i = 11; i <= 60; ++i) cluster[1].append_event(i);
  for (; expected <= 60; ++expected) {
    auto event = events->next(10s);
    REQUIRE(event);
    REQUIRE(event->seq() == expected);
  }
  CHECK(events->next(1ms).failure().code == errc::deadline_exceeded);
}

TEST_CASE("a subscription that no node can give yet fails with the node's reason") {
  fake_cluster cluster(1);
  cluster[0].script().is_lagging = true;
  auto settings = cluster.settings();
  settings.total_timeout_ms = 300;
  auto hive = connected(settings);
  subscribe_options options;
  options.after = event_seq{7};
  const auto events = hive->subscribe(std::move(options));
  REQUIRE_FALSE(events);
  CHECK(events.failure().code == errc::unavailable);
  CHECK(events.failure().field == "after_seq");
  CHECK(cluster[0].script().subscribed_after.size() >= 2);
}

v1::TaskAssignment assignment_of(std::uint64_t task, const std::string& type) {
  v1::TaskAssignment assignment;
  assignment.set_task_id(task);
  assignment.set_attempt(1);
  assignment.set_session(1);
  assignment.mutable_spec()->set_type(type);
  assignment.mutable_spec()->set_payload("hello");
  return assignment;
}

bool has_completed(test::node_script& script, std::uint64_t task) {
  for (const auto& message : script.reports) {
    for (const auto& report : message.reports()) {
      if (report.task_id() == task && report.has_completed()) return true;
    }
  }
  return false;
}

/// Handlers of the type "slow" run until they are let go on.
struct slow_worker {
  explicit slow_worker(const config::client_config& settings) : process(options_for(settings)) {
    process.on("slow", [this](task_context& task) -> task_outcome {
      is_running.set_value();
      std::unique_lock lock(mutex);
      may_end.wait_for(lock, task.cancel_token(), 20s, [this] { return is_open; });
      if (task.is_canceled()) return task_canceled{};
      return "done";
    });
    process.on("echo", [](task_context& task) { return task.payload(); });
    REQUIRE(process.start());
    REQUIRE(process.wait_active(10s));
  }
  ~slow_worker() { open(); }

  static worker_options options_for(const config::client_config& settings) {
    worker_options options;
    options.name = "w";
    options.slots = 2;
    options.connection = settings;
    return options;
  }

  void open() {
    std::lock_guard lock(mutex);
    is_open = true;
    may_end.notify_all();
  }

  std::mutex mutex;
  std::condition_variable_any may_end;
  bool is_open = false;
  std::promise<void> is_running;
  worker process;
};

TEST_CASE("a worker registers at the next leader with what it runs, and its handlers do not notice") {
  fake_cluster cluster(3);
  slow_worker one(cluster.settings(cluster.members[0]));
  cluster[0].assign(assignment_of(1, "slow"));
  one.is_running.get_future().wait();
  SECTION("the leader dies") {
    cluster.elect(2);
    cluster.stop(0);
  }
  SECTION("the leader steps down") { cluster.elect(2); }
  auto& next = cluster[2].script();
  REQUIRE(next.wait_for([&] { return next.registrations.size() == 1; }));
  {
    std::lock_guard lock(next.mutex);
    REQUIRE(next.registrations[0].running_size() == 1);
    CHECK(next.registrations[0].running(0).task_id() == 1);
    CHECK(next.registrations[0].running(0).attempt() == 1);
  }
  one.open();
  REQUIRE(next.wait_for([&] { return has_completed(next, 1); }));
  CHECK(one.process.running_count() == 0);
}

TEST_CASE("a report that the old leader did not acknowledge is told to the next one") {
  fake_cluster cluster(2);
  slow_worker one(cluster.settings());
  auto& first = cluster[0].script();
  auto& next = cluster[1].script();
  SECTION("it was on its way when the leader died") {
    first.reports_to_swallow = 1;
    cluster[0].assign(assignment_of(1, "echo"));
    REQUIRE(first.wait_for([&] { return has_completed(first, 1); }));
    cluster.elect(1);
    cluster.stop(0);
  }
  SECTION("it was refused with not_leader") {
    cluster[0].assign(assignment_of(1, "slow"));
    one.is_running.get_future().wait();
    cluster.elect(1);
    one.open();
  }
  REQUIRE(next.wait_for([&] { return has_completed(next, 1); }));
  std::lock_guard lock(next.mutex);
  REQUIRE(next.registrations.size() == 1);
  REQUIRE(next.registrations[0].running_size() == 1);
  CHECK(next.registrations[0].running(0).task_id() == 1);
}

TEST_CASE("a worker finds the leader although its settings prefer any node") {
  fake_cluster cluster(2);
  cluster.elect(1);
  auto settings = cluster.settings();
  settings.prefer = "any";
  slow_worker one(settings);
  CHECK(cluster[1].script().registrations.size() == 1);
  CHECK(cluster[0].script().registrations.empty());
}

}  // namespace
}  // namespace hive
