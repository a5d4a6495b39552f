// hivectl against a live node: every command that asks or changes something, its JSON parsed.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr int status_not_completed = 3;

/// Runs hivectl with -o json; fails the test unless it ends with `status` and prints one JSON value.
json ask(const node& server, std::vector<std::string> arguments, int status = 0) {
  arguments.insert(arguments.begin(), {"-o", "json"});
  const auto done = server.ctl(arguments);
  INFO(arguments[2] << " " << arguments[3 % arguments.size()] << ": " << done.output);
  REQUIRE(done.status == status);
  auto parsed = json::parse(done.output, nullptr, false);
  REQUIRE_FALSE(parsed.is_discarded());
  return parsed;
}

std::string created(const node& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"task", "create"});
  return ask(server, std::move(arguments)).at("task_id").get<std::string>();
}

std::string task_state(const node& server, const std::string& id) {
  return ask(server, {"task", "get", id}).at("status").at("state").get<std::string>();
}

std::string plan_file(const node& server, const std::string& text) {
  const auto path = server.folder() / "plan.yaml";
  std::ofstream{path} << text;
  return path.string();
}

std::string plan_state(const node& server, const std::string& id) {
  // The parts of the plan stand in the answer or one level below it.
  const auto answer = ask(server, {"plan", "status", id});
  const auto& plan = answer.contains("plan") ? answer.at("plan") : answer;
  return plan.at("status").at("state").get<std::string>();
}

}  // namespace

TEST_CASE("hivectl creates a process task, waits for it and shows its result and its log") {
  const node server;
  const auto worker = server.start_process_worker("runner", 2);
  const auto id =
      created(server, {"--title", "greeting", "--label", "team=web", "--", "sh", "-c", "echo hello; echo careful >&2"});
  const auto waited = server.ctl({"task", "wait", id, "--for", "30s"});
  INFO(waited.output);
  REQUIRE(waited.status == 0);
  const auto task = ask(server, {"task", "get", id});
  CHECK(task.at("id") == id);
  CHECK(task.at("spec").at("title") == "greeting");
  CHECK(task.at("spec").at("labels").at("team") == "web");
  CHECK(task.at("status").at("state") == "completed");
  CHECK(task.at("status").at("attempt") == 1);

  const auto list = ask(server, {"task", "list", "--state", "completed", "--label", "team=web"});
  REQUIRE(list.at("tasks").size() == 1);
  CHECK(list.at("tasks")[0].at("id") == id);
  CHECK(ask(server, {"task", "list", "--state", "failed"}).value("tasks", json::array()).empty());

  CHECK(server.ctl({"task", "result", id, "--stdout"}).output == "hello\n");
  CHECK(json::parse(server.ctl({"task", "result", id}).output).is_object());
  CHECK(server.ctl({"task", "logs", id, "--only-stdout"}).output == "hello\n");
  CHECK(server.ctl({"task", "logs", "-f", "--only-stderr", id}).output == "careful\n");

  const auto failing = created(server, {"--max-attempts", "1", "--", "sh", "-c", "exit 7"});
  CHECK(server.ctl({"task", "wait", failing, "--for", "30s"}).status == status_not_completed);
  CHECK(task_state(server, failing) == "failed");
  CHECK(ask(server, {"task", "retry", failing}).at("state") == "queued");
}

TEST_CASE("hivectl explains a task that waits, cancels it and purges it") {
  const node server;
  const auto id = created(server, {"--type", "render", "--require", "gpu", "--payload", R"({"frame": 7})"});
  const auto why = ask(server, {"task", "explain", id});
  CHECK(why.at("state") == "queued");
  CHECK(why.at("summary") == "No worker is registered.");
  CHECK(server.ctl({"task", "explain", id}).output.find("No worker is registered.") != std::string::npos);
  CHECK(ask(server, {"task", "get", id}).at("spec").at("payload").at("frame") == 7);
  CHECK(ask(server, {"task", "cancel", id, "--message", "not needed"}).at("state") == "canceled");
  const auto canceled = ask(server, {"task", "get", id});
  CHECK(canceled.at("status").at("reason_text") == "not needed");
  CHECK(server.ctl({"task", "wait", id}).status == status_not_completed);
  CHECK(server.ctl({"task", "purge", id}).status == 0);
  CHECK(server.ctl({"task", "get", id}).status == exit_status(errc::not_found));
}

TEST_CASE("hivectl submits a plan and follows it to its end without a terminal") {
  const node server;
  const auto worker = server.start_process_worker("runner", 2);
  const auto file = plan_file(server, R"(
name: two_steps
steps:
  - name: first
    argv: [echo, one]
  - name: second
    needs: [first]
    argv: [echo, two]
)");
  const auto watched = server.ctl({"plan", "submit", "--watch", file});
  INFO(watched.output);
  REQUIRE(watched.status == 0);
  CHECK(watched.output.find("completed") != std::string::npos);
  CHECK(watched.output.find("\x1b[") == std::string::npos);  // nothing for a terminal

  const auto id = ask(server, {"plan", "list"}).at("plans").at(0).at("id").get<std::string>();
  CHECK(plan_state(server, id) == "completed");
  const auto steps = ask(server, {"plan", "status", "--steps", id}).dump();
  CHECK(steps.find("\"first\"") != std::string::npos);
  CHECK(steps.find("\"second\"") != std::string::npos);
  const auto dot = server.ctl({"plan", "graph", id});
  CHECK(dot.status == 0);
  CHECK(dot.output.find("digraph") != std::string::npos);
  CHECK(dot.output.find("first") != std::string::npos);
  const auto mermaid = server.ctl({"plan", "graph", id, "-o", "mermaid"});
  CHECK(mermaid.output.find("-->") != std::string::npos);
}

TEST_CASE("hivectl pauses, resumes, cancels and retries a plan") {
  const node server;
  const auto file = plan_file(server, "name: waits\nsteps:\n  - name: only\n    argv: [echo, one]\n");
  const auto id = ask(server, {"plan", "submit", file}).at("plan_id").get<std::string>();
  const auto change = [&](const std::string& action) {
    return ask(server, {"plan", action, id}).at("status").at("state").get<std::string>();
  };
  CHECK(change("pause") == "paused");
  CHECK(plan_state(server, id) == "paused");
  CHECK(change("resume") == "running");
  CHECK(change("cancel") == "canceled");
  CHECK(server.ctl({"plan", "pause", id}).status == exit_status(errc::failed_precondition));
  CHECK(change("retry") == "running");
  const auto worker = server.start_process_worker("runner", 1);
  CHECK(server.ctl({"plan", "status", "--watch", id}).status == 0);
  CHECK(plan_state(server, id) == "completed");
}

TEST_CASE("hivectl lists workers and drains them") {
  const node server;
  const auto worker = server.start_worker("w1", 3);
  const auto named = [](const json& answer) {
    const auto& list = answer.is_array() ? answer : answer.at("workers");
    for (const auto& entry : list) {
      if (entry.at("spec").at("name") == "w1") return entry;
    }
    return json{};
  };
  REQUIRE(eventually([&] { return server.ctl({"worker", "get", "w1"}).status == 0; }));
  const auto listed = named(ask(server, {"worker", "list"}));
  REQUIRE(listed.is_object());
  CHECK(listed.at("state") == "active");
  CHECK(listed.at("spec").at("slots") == 3);
  CHECK(ask(server, {"worker", "drain", "w1"}).at("state") == "draining");
  CHECK(ask(server, {"worker", "get", "w1"}).at("state") == "draining");
  const auto id = created(server, {"--type", "noop"});
  CHECK(ask(server, {"task", "explain", id}).at("summary").get<std::string>().find("draining") != std::string::npos);
  CHECK(ask(server, {"worker", "drain", "--undo", "w1"}).at("state") == "active");
  CHECK(server.ctl({"task", "wait", id, "--for", "30s"}).status == 0);
}

TEST_CASE("hivectl publishes an event and tails the log up to a limit") {
  const node server;
  const auto id = created(server, {"--type", "noop"});
  const auto published = ask(server, {"events", "publish", "report.mailed", "--task", id, "--message", "sent"});
  CHECK(published.at("seq").get<std::uint64_t>() > 0);
  const auto tailed = server.ctl({"-o", "json", "events", "tail", "--from-start", "--limit", "3", "--task", id});
  INFO(tailed.output);
  REQUIRE(tailed.status == 0);
  CHECK(tailed.output.find("task.created") != std::string::npos);
  CHECK(tailed.output.find("report.mailed") != std::string::npos);
  const auto ended = server.ctl({"events", "tail", "--from-start", "--no-follow", "--name", "report.*"});
  CHECK(ended.status == 0);
  CHECK(ended.output.find("report.mailed") != std::string::npos);
  CHECK(ended.output.find("task.created") == std::string::npos);
}

TEST_CASE("hivectl shows the node's status and proves its tables") {
  const node server;
  for (int i = 0; i < 3; ++i) created(server, {"--type", "noop"});
  const auto status = ask(server, {"status"});
  CHECK(status.at("role") == "standalone");
  CHECK(status.dump().find("\"queued\":3") != std::string::npos);
  CHECK(server.ctl({"status"}).output.find("noop") != std::string::npos);
  const auto checked = ask(server, {"debug", "check"});
  CHECK(checked.at("tasks") == 3);
  CHECK(checked.value("violations", json::array()).empty());
}
