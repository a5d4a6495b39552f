#include <catch2/catch.hpp>

#include <condition_variable>
#include <csignal>
#include <future>
#include <optional>

#include "client/worker.hpp"
#include "tests/client/fake_node.hpp"

namespace hive {
namespace {

using namespace std::chrono_literals;
using test::fake_node;
using test::node_script;

worker_options options_for(const fake_node& node) {
  worker_options options;
  options.name = "w";
  options.slots = 2;
  options.connection = node.client_settings();
  return options;
}

v1::TaskAssignment assignment_of(std::uint64_t task, std::uint64_t session, const std::string& type = "echo") {
  v1::TaskAssignment assignment;
  assignment.set_task_id(task);
  assignment.set_attempt(1);
  assignment.set_session(session);
  assignment.mutable_spec()->set_type(type);
  assignment.mutable_spec()->set_payload("hello");
  return assignment;
}

/// The reports of one kind, in order, or nullptr.
const v1::TaskReport* find_report(const node_script& script, std::uint64_t task, v1::TaskReport::BodyCase body) {
  for (const auto& message : script.reports) {
    for (const auto& report : message.reports()) {
      if (report.task_id() == task && report.body_case() == body) return &report;
    }
  }
  return nullptr;
}

bool wait_report(fake_node& node, std::uint64_t task, v1::TaskReport::BodyCase body) {
  return node.script().wait_for([&] { return find_report(node.script(), task, body) != nullptr; });
}

bool wait_status(worker& one, worker_status wanted) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (one.status() != wanted && std::chrono::steady_clock::now() < end) one.wait(5ms);
  return one.status() == wanted;
}

/// A handler that runs until it is told to go on or is canceled.
struct gate {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool is_open = false;
  std::promise<void> entered;
  std::promise<bool> left;  // canceled?

  task_outcome pass(task_context& task) {
    entered.set_value();
    std::unique_lock lock(mutex);
    const bool opened = changed.wait_for(lock, task.cancel_token(), 20s, [this] { return is_open; });
    left.set_value(task.is_canceled());
    if (!opened) return task_canceled{};
    return "done";
  }
  void open() {
    std::lock_guard lock(mutex);
    is_open = true;
    changed.notify_all();
  }
};

TEST_CASE("of a short task only the end is reported") {
  fake_node node;
  worker one(options_for(node));
  one.on("echo", [](task_context& task) { return task.payload(); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1));
  REQUIRE(wait_report(node, 1, v1::TaskReport::kCompleted));
  std::lock_guard lock(node.script().mutex);
  REQUIRE(node.script().reports.size() == 1);
  const auto& message = node.script().reports.front();
  REQUIRE(message.reports_size() == 1);
  CHECK(message.reports(0).completed().result() == "hello");
  CHECK(message.session() == 1);
  CHECK(message.prefetch() == 0);  // one run says little
}

TEST_CASE("what a short task reports before its end comes after its start") {
  fake_node node;
  worker one(options_for(node));
  one.on("talks", [](task_context& task) {
    task.log(v1::TaskLogChunk::STREAM_STDOUT, "a line\n");
    return task.payload();
  });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1, "talks"));
  REQUIRE(wait_report(node, 1, v1::TaskReport::kCompleted));
  std::lock_guard lock(node.script().mutex);
  std::vector<v1::TaskReport::BodyCase> order;
  for (const auto& message : node.script().reports) {
    for (const auto& report : message.reports()) order.push_back(report.body_case());
  }
  CHECK(order == std::vector{v1::TaskReport::kStarted, v1::TaskReport::kLog, v1::TaskReport::kCompleted});
}

TEST_CASE("a worker of short tasks asks for tasks ahead, and gives them back when one takes long") {
  fake_node node;
  gate slow;
  auto options = options_for(node);
  options.slots = 1;
  options.prefetch_max = 50;
  worker one(options);
  one.on("echo", [](task_context& task) { return task.payload(); });
  one.on("slow", [&](task_context& task) { return slow.pass(task); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  const auto last_wish = [&] {
    std::lock_guard lock(node.script().mutex);
    return node.script().reports.empty() ? 0U : node.script().reports.back().prefetch();
  };
  // Runs that the scheduler interrupts are long: the mean needs a few more then.
  std::uint64_t task = 0;
  while (last_wish() == 0 && task < 1'000) {
    node.assign(assignment_of(++task, 1));
    REQUIRE(wait_report(node, task, v1::TaskReport::kCompleted));
  }
  CHECK(last_wish() > 0);
  CHECK(last_wish() <= 50);

  const std::uint64_t first = task + 1;
  node.assign(assignment_of(first, 1, "slow"));
  node.assign(assignment_of(first + 1, 1));
  node.assign(assignment_of(first + 2, 1));
  REQUIRE(wait_report(node, first + 1, v1::TaskReport::kReturned));
  REQUIRE(wait_report(node, first + 2, v1::TaskReport::kReturned));
  {
    std::lock_guard lock(node.script().mutex);
    CHECK(find_report(node.script(), first + 1, v1::TaskReport::kReturned)->returned().is_untouched());
  }
  CHECK(last_wish() == 0);
  slow.open();
  REQUIRE(wait_report(node, first, v1::TaskReport::kCompleted));
}

TEST_CASE("failures carry their message and whether to try again") {
  fake_node node;
  worker one(options_for(node));
  one.on("throws", [](task_context&) -> task_outcome { throw std::runtime_error("oops"); });
  one.on("final", [](task_context&) -> task_outcome { throw task_error("never", false); });
  one.on("error", [](task_context&) -> task_outcome { return error{errc::invalid_argument, "bad", "x"}; });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1, "throws"));
  node.assign(assignment_of(2, 1, "final"));
  REQUIRE(wait_report(node, 1, v1::TaskReport::kFailed));
  REQUIRE(wait_report(node, 2, v1::TaskReport::kFailed));
  node.assign(assignment_of(3, 1, "error"));
  node.assign(assignment_of(4, 1, "unknown"));
  REQUIRE(wait_report(node, 3, v1::TaskReport::kFailed));
  REQUIRE(wait_report(node, 4, v1::TaskReport::kReturned));
  std::lock_guard lock(node.script().mutex);
  CHECK(find_report(node.script(), 1, v1::TaskReport::kFailed)->failed().is_retryable());
  CHECK(find_report(node.script(), 1, v1::TaskReport::kFailed)->failed().message() == "oops");
  CHECK_FALSE(find_report(node.script(), 2, v1::TaskReport::kFailed)->failed().is_retryable());
  CHECK_FALSE(find_report(node.script(), 3, v1::TaskReport::kFailed)->failed().is_retryable());
}

TEST_CASE("a worker that comes back goes on with what the node lets it keep") {
  fake_node node;
  worker one(options_for(node));
  gate pause;
  one.on("echo", [&](task_context& task) { return pause.pass(task); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1));
  pause.entered.get_future().wait();
  node.relay().cut();
  REQUIRE(node.script().wait_for([&] { return node.script().registrations.size() == 2; }));
  {
    std::lock_guard lock(node.script().mutex);
    REQUIRE(node.script().registrations[1].running_size() == 1);
    CHECK(node.script().registrations[1].running(0).task_id() == 1);
    CHECK(node.script().registrations[0].spec().incarnation() == node.script().registrations[1].spec().incarnation());
  }
  REQUIRE(one.wait_active(10s));
  pause.open();
  REQUIRE(wait_report(node, 1, v1::TaskReport::kCompleted));
  CHECK_FALSE(pause.left.get_future().get());
}

TEST_CASE("a task that the node took away is canceled and not reported") {
  fake_node node;
  node.script().keep_running = false;
  worker one(options_for(node));
  gate pause;
  one.on("echo", [&](task_context& task) { return pause.pass(task); });
  one.on("other", [](task_context& task) { return task.payload(); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1));
  pause.entered.get_future().wait();
  node.relay().cut();
  CHECK(pause.left.get_future().get());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(2, 2, "other"));
  REQUIRE(wait_report(node, 2, v1::TaskReport::kCompleted));
  std::lock_guard lock(node.script().mutex);
  CHECK(find_report(node.script(), 1, v1::TaskReport::kCanceled) == nullptr);
}

TEST_CASE("an assignment of an older session is ignored") {
  fake_node node;
  worker one(options_for(node));
  one.on("echo", [](task_context& task) { return task.payload(); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 99));
  node.assign(assignment_of(2, 1));
  REQUIRE(wait_report(node, 2, v1::TaskReport::kCompleted));
  std::lock_guard lock(node.script().mutex);
  CHECK(find_report(node.script(), 1, v1::TaskReport::kCompleted) == nullptr);
}

TEST_CASE("a report that is refused as stale is dropped with its task") {
  fake_node node;
  node.script().refuse_reports = true;
  worker one(options_for(node));
  gate pause;
  one.on("echo", [&](task_context& task) { return pause.pass(task); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1));
  // The started report is refused: the handler is told to stop, and nothing more is said of the task.
  CHECK(pause.left.get_future().get());
  one.drain();
  REQUIRE(one.wait(10s));
  std::lock_guard lock(node.script().mutex);
  CHECK(find_report(node.script(), 1, v1::TaskReport::kCanceled) == nullptr);
}

TEST_CASE("drain finishes what runs, reports it and deregisters") {
  fake_node node;
  worker one(options_for(node));
  gate pause;
  one.on("echo", [&](task_context& task) { return pause.pass(task); });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1));
  pause.entered.get_future().wait();
  one.drain();
  CHECK_FALSE(one.wait(0ms));
  pause.open();
  REQUIRE(one.wait(10s));
  std::lock_guard lock(node.script().mutex);
  CHECK(node.script().is_deregistered);
  CHECK(find_report(node.script(), 1, v1::TaskReport::kCompleted) != nullptr);
}

TEST_CASE("a signal ends a worker within its drain timeout also when its node is gone") {
  std::optional<fake_node> node(std::in_place);
  auto options = options_for(*node);
  options.drain_timeout = 100ms;
  worker one(options);
  gate pause;
  one.on("echo", [&](task_context& task) { return pause.pass(task); });
  auto ended = std::async(std::launch::async, [&] { return one.run(); });
  REQUIRE(wait_status(one, worker_status::active));
  node->assign(assignment_of(1, 1));
  pause.entered.get_future().wait();
  node.reset();
  REQUIRE(wait_status(one, worker_status::connecting));
  std::raise(SIGTERM);
  REQUIRE(ended.wait_for(10s) == std::future_status::ready);
  CHECK(ended.get());
  CHECK(pause.left.get_future().get());
}

TEST_CASE("a handler may log and report progress from its stop callback") {
  fake_node node;
  worker one(options_for(node));
  gate pause;
  one.on("echo", [&](task_context& task) {
    const std::stop_callback last_words(task.cancel_token(), [&] {
      task.log(v1::TaskLogChunk::STREAM_STDOUT, "told to stop\n");
      task.progress(0.5, "halfway");
    });
    return pause.pass(task);
  });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node.assign(assignment_of(1, 1));
  pause.entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { one.stop(); });
  REQUIRE(stopped.wait_for(10s) == std::future_status::ready);
  CHECK(pause.left.get_future().get());
  const std::lock_guard lock(node.script().mutex);
  CHECK(find_report(node.script(), 1, v1::TaskReport::kLog) != nullptr);
}

TEST_CASE("a task that waits for room to log can be stopped when its node is gone") {
  std::optional<fake_node> node(std::in_place);
  auto options = options_for(*node);
  worker one(options);
  std::promise<void> entered;
  std::promise<void> go_on;
  one.on("echo", [&](task_context& task) {
    entered.set_value();
    go_on.get_future().wait();
    const std::string piece(1U << 20U, 'x');
    for (int i = 0; i < 10; ++i) task.log(v1::TaskLogChunk::STREAM_STDOUT, piece);
    return task_canceled{};
  });
  REQUIRE(one.start());
  REQUIRE(one.wait_active(10s));
  node->assign(assignment_of(1, 1));
  entered.get_future().wait();
  node.reset();
  REQUIRE(wait_status(one, worker_status::connecting));
  go_on.set_value();
  // By then it has filled the room and waits, or it does not have to.
  CHECK_FALSE(one.wait(50ms));
  auto stopped = std::async(std::launch::async, [&] { one.stop(); });
  REQUIRE(stopped.wait_for(10s) == std::future_status::ready);
}

TEST_CASE("options that cannot work are refused") {
  worker_options options;
  options.name = "w";
  worker without_handlers(options);
  CHECK(without_handlers.start().failure().field == "on");
  options.slots = 0;
  worker without_slots(options);
  without_slots.on("x", [](task_context&) { return "x"; });
  CHECK(without_slots.start().failure().field == "slots");
}

TEST_CASE("a worker whose words are not UTF-8 does not start, and says which") {
  worker_options options;
  options.name = "w";
  options.labels = {{"zone", "\xFF"}};
  worker one(options);
  one.on("x", [](task_context&) { return "x"; });
  const auto refused = one.start();
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::invalid_argument);
  CHECK(refused.failure().field == "labels");
}

}  // namespace
}  // namespace hive
