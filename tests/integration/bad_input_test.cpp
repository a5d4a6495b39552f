// Malformed requests, plan files, configurations and command lines against one node: each gets its own error, and
// the node keeps serving. (tests/config and tests/apps hold the larger tables of files.)
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

struct bad_call {
  std::string what;
  errc code;
  std::string field;  // of the error; "*": any
  std::function<std::optional<error>(client&)> call;
};

template <class T>
std::optional<error> failure_of(const result<T>& answer) {
  if (answer) return std::nullopt;
  return answer.failure();
}

// A create_task whose spec was spoilt.
bad_call bad_task(const std::string& what, const std::string& field, const std::function<void(v1::TaskSpec&)>& spoil,
                  errc code = errc::invalid_argument) {
  return {"create_task: " + what, code, field, [spoil](client& connection) {
            auto spec = task_of("fine");
            spoil(spec);
            return failure_of(connection.create_task(spec));
          }};
}

bad_call bad_plan(const std::string& what, const std::string& field,
                  const std::function<void(v1::PlanDocument&)>& spoil) {
  return {"submit_plan: " + what, errc::invalid_argument, field, [spoil](client& connection) {
            v1::PlanDocument document;
            document.set_name("plan");
            add_step(document, "a", {}, task_of("fine"));
            add_step(document, "b", {"a"}, task_of("fine"));
            spoil(document);
            return failure_of(connection.submit_plan(document));
          }};
}

bad_call bad_worker(const std::string& what, const std::string& field,
                    const std::function<void(v1::WorkerSpec&)>& spoil) {
  return {"register_worker: " + what, errc::invalid_argument, field, [spoil](client& connection) {
            v1::WorkerSpec spec;
            spec.set_name("fine");
            spoil(spec);
            return failure_of(connection.register_worker(spec));
          }};
}

template <class Call>
bad_call bad(const std::string& what, errc code, const std::string& field, Call call) {
  return {what, code, field, [call](client& connection) { return failure_of(call(connection)); }};
}

std::vector<bad_call> task_calls() {
  const std::string long_name(129, 'x');
  return {
      bad_task("no type", "spec.type", [](auto& spec) { spec.clear_type(); }),
      bad_task("long type", "spec.type", [=](auto& spec) { spec.set_type(long_name); }),
      bad_task("long title", "spec.title", [](auto& spec) { spec.set_title(std::string(257, 't')); }),
      bad_task("payload over the cap", "spec.payload",
               [](auto& spec) { spec.set_payload(std::string((1 << 20) + 1, 'p')); }),
      bad_task("33 capabilities", "spec.required_capabilities",
               [](auto& spec) {
                 for (int i = 0; i < 33; ++i) spec.add_required_capabilities("c" + std::to_string(i));
               }),
      bad_task("an empty capability", "spec.required_capabilities[1]",
               [](auto& spec) {
                 spec.add_required_capabilities("ok");
                 spec.add_required_capabilities("");
               }),
      bad_task("a long capability", "spec.required_capabilities[0]",
               [=](auto& spec) { spec.add_required_capabilities(long_name); }),
      bad_task("33 labels", "spec.labels",
               [](auto& spec) {
                 for (int i = 0; i < 33; ++i) *spec.add_labels() = make_label("k" + std::to_string(i), "v");
               }),
      bad_task("an empty label key", "spec.labels[0].key",
               [](auto& spec) { *spec.add_labels() = make_label("", "v"); }),
      bad_task("a long label value", "spec.labels[0].value",
               [](auto& spec) { *spec.add_labels() = make_label("k", std::string(257, 'v')); }),
      bad_task("a label twice", "*",
               [](auto& spec) {
                 *spec.add_labels() = make_label("k", "1");
                 *spec.add_labels() = make_label("k", "2");
               }),
      bad_task("an empty selector key", "spec.worker_selector[0].key",
               [](auto& spec) { *spec.add_worker_selector() = make_label("", "v"); }),
      bad_task("negative not_before", "spec.not_before_unix_ms", [](auto& spec) { spec.set_not_before_unix_ms(-1); }),
      bad_task("1001 attempts", "spec.retry.max_attempts",
               [](auto& spec) { spec.mutable_retry()->set_max_attempts(1001); }),
      bad_task("negative backoff", "spec.retry.backoff_initial_ms",
               [](auto& spec) { spec.mutable_retry()->set_backoff_initial_ms(-1); }),
      bad_task("negative largest backoff", "spec.retry.backoff_max_ms",
               [](auto& spec) { spec.mutable_retry()->set_backoff_max_ms(-1); }),
      bad_task("a shrinking backoff", "spec.retry.backoff_multiplier_permille",
               [](auto& spec) { spec.mutable_retry()->set_backoff_multiplier_permille(999); }),
      bad_task("an exploding backoff", "spec.retry.backoff_multiplier_permille",
               [](auto& spec) { spec.mutable_retry()->set_backoff_multiplier_permille(100'001); }),
      bad_task("jitter over one", "spec.retry.jitter_permille",
               [](auto& spec) { spec.mutable_retry()->set_jitter_permille(1001); }),
      bad_task("negative queue timeout", "spec.timeouts.queue_ms",
               [](auto& spec) { spec.mutable_timeouts()->set_queue_ms(-1); }),
      bad_task("negative run timeout", "spec.timeouts.run_ms",
               [](auto& spec) { spec.mutable_timeouts()->set_run_ms(-5); }),
      bad_task("negative total timeout", "spec.timeouts.total_ms",
               [](auto& spec) { spec.mutable_timeouts()->set_total_ms(-9); }),
      bad_task("a long idempotency key", "spec.idempotency_key",
               [=](auto& spec) { spec.set_idempotency_key(long_name); }),
      bad_task("a plan id of its own", "spec.plan_id", [](auto& spec) { spec.set_plan_id(5); }),
      bad("get_task: unknown", errc::not_found, "*", [](client& c) { return c.get_task(task_id{424'242}); }),
      bad("get_task: id 0", errc::not_found, "*", [](client& c) { return c.get_task(task_id{}); }),
      bad("update_task_status: unknown", errc::not_found, "*",
          [](client& c) { return c.update_task_status(task_id{424'242}, v1::TASK_STATE_RUNNING); }),
      bad("update_task_status: id 0", errc::invalid_argument, "task_id",
          [](client& c) { return c.update_task_status(task_id{}, v1::TASK_STATE_RUNNING); }),
      bad("update_task_status: to leased", errc::invalid_argument, "state",
          [](client& c) { return c.update_task_status(c.create_task(task_of("x"))->id, v1::TASK_STATE_LEASED); }),
      bad("update_task_status: to blocked", errc::invalid_argument, "state",
          [](client& c) { return c.update_task_status(c.create_task(task_of("x"))->id, v1::TASK_STATE_BLOCKED); }),
      bad("update_task_status: a state that does not exist", errc::invalid_argument, "state",
          [](client& c) {
            return c.update_task_status(c.create_task(task_of("x"))->id, static_cast<v1::TaskState>(99));
          }),
      bad("update_task_status: completed without running", errc::failed_precondition, "*",
          [](client& c) { return c.update_task_status(c.create_task(task_of("x"))->id, v1::TASK_STATE_COMPLETED); }),
      bad("update_task_status: a result over the cap", errc::invalid_argument, "*",
          [](client& c) {
            v1::TaskStatusUpdate update;
            update.set_task_id(c.create_task(task_of("x"))->id.value);
            (void)c.update_task_status(task_id{update.task_id()}, v1::TASK_STATE_RUNNING);
            update.set_state(v1::TASK_STATE_COMPLETED);
            update.set_has_result(true);
            update.set_result(std::string((1 << 20) + 1, 'r'));
            return c.update_task_status(update);
          }),
      bad("update_task_status: progress over one", errc::invalid_argument, "*",
          [](client& c) {
            v1::TaskStatusUpdate update;
            update.set_task_id(c.create_task(task_of("x"))->id.value);
            (void)c.update_task_status(task_id{update.task_id()}, v1::TASK_STATE_RUNNING);
            update.set_has_progress(true);
            update.set_progress_ppm(1'000'001);
            return c.update_task_status(update);
          }),
      bad("update_task_status: a stale attempt", errc::failed_precondition, "*",
          [](client& c) {
            v1::TaskStatusUpdate update;
            update.set_task_id(c.create_task(task_of("x"))->id.value);
            (void)c.update_task_status(task_id{update.task_id()}, v1::TASK_STATE_RUNNING);
            update.set_state(v1::TASK_STATE_COMPLETED);
            update.set_attempt(7);
            return c.update_task_status(update);
          }),
      bad("cancel_task: unknown", errc::not_found, "*", [](client& c) { return c.cancel_task(task_id{424'242}); }),
      bad("cancel_task: negative grace", errc::invalid_argument, "grace_ms",
          [](client& c) { return c.cancel_task(c.create_task(task_of("x"))->id, "", -1ms); }),
      bad("retry_task: unknown", errc::not_found, "*", [](client& c) { return c.retry_task(task_id{424'242}); }),
      bad("retry_task: not final", errc::failed_precondition, "*",
          [](client& c) { return c.retry_task(c.create_task(task_of("x"))->id); }),
      bad("purge_task: not final", errc::failed_precondition, "*",
          [](client& c) { return c.purge_task(c.create_task(task_of("x"))->id); }),
      bad("purge_task: unknown", errc::not_found, "*", [](client& c) { return c.purge_task(task_id{424'242}); }),
      bad("get_task_logs: unknown", errc::not_found, "*", [](client& c) { return c.get_task_logs(task_id{424'242}); }),
      bad("explain_task: unknown", errc::not_found, "*", [](client& c) { return c.explain_task(task_id{424'242}); }),
      bad("list_tasks: limit 1001", errc::invalid_argument, "limit",
          [](client& c) {
            v1::ListTasksRequest request;
            request.set_limit(1001);
            return c.list_tasks(request);
          }),
      bad("list_tasks: a token nobody gave out", errc::invalid_argument, "page_token",
          [](client& c) {
            v1::ListTasksRequest request;
            request.set_page_token("not a token");
            return c.list_tasks(request);
          }),
      bad("list_tasks: a state that does not exist", errc::invalid_argument, "*",
          [](client& c) { return c.get_tasks_by_status(static_cast<v1::TaskState>(77)); }),
  };
}

std::vector<bad_call> plan_calls() {
  return {
      bad_plan("no steps", "steps", [](auto& document) { document.clear_steps(); }),
      bad_plan("a step without a name", "steps[0].name",
               [](auto& document) { document.mutable_steps(0)->clear_name(); }),
      bad_plan("a long step name", "steps[0].name",
               [](auto& document) { document.mutable_steps(0)->set_name(std::string(129, 's')); }),
      bad_plan("a name twice", "steps[1].name", [](auto& document) { document.mutable_steps(1)->set_name("a"); }),
      bad_plan("an unknown need", "steps[1].needs[0]",
               [](auto& document) { document.mutable_steps(1)->set_needs(0, "z"); }),
      bad_plan("a need twice", "steps[1].needs[1]", [](auto& document) { document.mutable_steps(1)->add_needs("a"); }),
      bad_plan("a step that needs itself", "steps[0].needs[0]",
               [](auto& document) { document.mutable_steps(0)->add_needs("a"); }),
      bad_plan("a cycle", "*", [](auto& document) { document.mutable_steps(0)->add_needs("b"); }),
      bad_plan("a step without a type", "steps[1].task.type",
               [](auto& document) { document.mutable_steps(1)->mutable_task()->clear_type(); }),
      bad_plan("a negative deadline", "*", [](auto& document) { document.set_deadline_ms(-1); }),
      bad_plan("a policy that does not exist", "*",
               [](auto& document) { document.set_failure_policy(static_cast<v1::FailurePolicy>(9)); }),
      bad_plan(
          "a step with a bad retry policy", "steps[0].task.retry.max_attempts",
          [](auto& document) { document.mutable_steps(0)->mutable_task()->mutable_retry()->set_max_attempts(5000); }),
      bad("create_planned_subtasks_from_plan: unknown parent", errc::not_found, "*",
          [](client& c) {
            v1::PlanDocument document;
            add_step(document, "a", {}, task_of("fine"));
            return c.create_planned_subtasks_from_plan(task_id{424'242}, document);
          }),
      bad("create_planned_subtasks_from_plan: a parent that is done", errc::failed_precondition, "*",
          [](client& c) {
            const auto parent = c.create_task(task_of("x"))->id;
            (void)c.cancel_task(parent);
            v1::PlanDocument document;
            add_step(document, "a", {}, task_of("fine"));
            return c.create_planned_subtasks_from_plan(parent, document);
          }),
      bad("get_execution_plan_status: unknown", errc::not_found, "*",
          [](client& c) { return c.get_execution_plan_status(plan_id{424'242}); }),
      bad("get_execution_plan_status: a task that is no plan", errc::not_found, "*",
          [](client& c) { return c.get_execution_plan_status(c.create_task(task_of("x"))->id); }),
      bad("get_execution_plan_status: limit 1001", errc::invalid_argument, "*",
          [](client& c) {
            v1::PlanDocument document;
            add_step(document, "a", {}, task_of("fine"));
            return c.get_execution_plan_status(plan_id{c.submit_plan(document)->plan_id()}, true, 0, 1001);
          }),
      bad("get_next_planned_subtask: unknown", errc::not_found, "*",
          [](client& c) { return c.get_next_planned_subtask(plan_id{424'242}); }),
      bad("check_subtask_dependencies: unknown", errc::not_found, "*",
          [](client& c) { return c.check_subtask_dependencies(task_id{424'242}); }),
      bad("check_subtask_dependencies: no step", errc::failed_precondition, "*",
          [](client& c) { return c.check_subtask_dependencies(c.create_task(task_of("x"))->id); }),
      bad("pause_plan: unknown", errc::not_found, "*", [](client& c) { return c.pause_plan(plan_id{424'242}); }),
      bad("retry_plan: still running", errc::failed_precondition, "*",
          [](client& c) {
            v1::PlanDocument document;
            add_step(document, "a", {}, task_of("fine"));
            return c.retry_plan(plan_id{c.submit_plan(document)->plan_id()});
          }),
      bad("cancel_plan: unknown", errc::not_found, "*", [](client& c) { return c.cancel_plan(plan_id{424'242}); }),
      bad("list_plans: limit 1001", errc::invalid_argument, "*",
          [](client& c) {
            v1::ListPlansRequest request;
            request.set_limit(1001);
            return c.list_plans(request);
          }),
  };
}

std::vector<bad_call> other_calls() {
  return {
      bad_worker("no name", "*", [](auto& spec) { spec.clear_name(); }),
      bad_worker("a long name", "*", [](auto& spec) { spec.set_name(std::string(129, 'w')); }),
      bad_worker("4097 slots", "*", [](auto& spec) { spec.set_slots(4097); }),
      bad_worker("an empty capability", "*", [](auto& spec) { spec.add_capabilities(""); }),
      bad_worker("257 capabilities", "*",
                 [](auto& spec) {
                   for (int i = 0; i < 257; ++i) spec.add_capabilities("c" + std::to_string(i));
                 }),
      bad_worker("a long role", "*", [](auto& spec) { spec.set_role(std::string(65, 'r')); }),
      bad_worker("an empty label key", "*", [](auto& spec) { *spec.add_labels() = make_label("", "v"); }),
      bad_worker("an empty task type", "*", [](auto& spec) { spec.add_task_types(""); }),
      bad("update_worker_heartbeat: unknown", errc::not_found, "*",
          [](client& c) { return c.update_worker_heartbeat(worker_id{424'242}); }),
      bad("drain_worker: unknown", errc::not_found, "*", [](client& c) { return c.drain_worker(worker_id{424'242}); }),
      bad("deregister_worker: unknown", errc::not_found, "*",
          [](client& c) { return c.deregister_worker(worker_id{424'242}); }),
      bad("get_worker: unknown id", errc::not_found, "*", [](client& c) { return c.get_worker(worker_id{424'242}); }),
      bad("get_worker: unknown name", errc::not_found, "*", [](client& c) { return c.get_worker("nobody"); }),
      bad("publish: no name", errc::invalid_argument, "*", [](client& c) { return c.publish(v1::TaskEvent{}); }),
      bad("publish: a malformed name", errc::invalid_argument, "*",
          [](client& c) {
            v1::TaskEvent event;
            event.set_name("Not A Name!");
            return c.publish(event);
          }),
      bad("publish: 64 KiB and a byte", errc::invalid_argument, "*",
          [](client& c) {
            v1::WorkflowEvent event;
            event.set_name("plan.noted");
            event.set_data(std::string((64 << 10) + 1, 'd'));
            return c.publish(event);
          }),
      bad("subscribe: window 10001", errc::invalid_argument, "window",
          [](client& c) {
            subscribe_options options;
            options.window = 10'001;
            return c.subscribe(options);
          }),
      bad("subscribe: beyond the newest event", errc::invalid_argument, "after_seq",
          [](client& c) {
            subscribe_options options;
            options.after = event_seq{1'000'000'000};
            return c.subscribe(options);
          }),
      bad("subscribe: a malformed name in the filter", errc::invalid_argument, "*",
          [](client& c) {
            subscribe_options options;
            options.filter.add_names("*.*");
            return c.subscribe(options);
          }),
      bad("read_events: limit 10001", errc::invalid_argument, "limit",
          [](client& c) {
            v1::ReadEventsRequest request;
            request.set_limit(10'001);
            return c.read_events(request);
          }),
  };
}

struct bad_command {
  std::vector<std::string> arguments;
  int status;
  std::string says;
};

}  // namespace

TEST_CASE("a malformed request gets its specific error and the node keeps serving") {
  node server;
  auto client = server.connect();
  std::size_t count = 0;
  for (const auto& calls : {task_calls(), plan_calls(), other_calls()}) {
    for (const auto& each : calls) {
      INFO(each.what);
      const auto failure = each.call(*client);
      ++count;
      if (!failure) {
        FAIL_CHECK("was accepted");
        continue;
      }
      INFO(to_string(*failure));
      CHECK(to_string(failure->code) == to_string(each.code));
      if (each.field != "*") CHECK(failure->field == each.field);
      CHECK(failure->message.size() > 8);
    }
  }
  WARN(count << " malformed requests");
  CHECK(client->create_task(task_of("fine")));
  CHECK(client->check()->violations().empty());
  CHECK(server.hived().is_running());
}

TEST_CASE("a malformed command line or file ends with its exit status and says what is wrong") {
  node server;
  const auto file = [&](const std::string& name, const std::string& text) {
    const auto path = server.folder() / name;
    std::ofstream{path} << text;
    return path.string();
  };
  constexpr int usage = 2;
  const int invalid = exit_status(errc::invalid_argument);
  const int missing = exit_status(errc::not_found);
  const std::vector<bad_command> commands{
      {{"task"}, usage, "subcommand"},
      {{"nonsense"}, usage, "no command 'nonsense'"},
      {{"task", "get"}, usage, "required"},
      {{"task", "get", "task-zzz"}, invalid, "is not an id"},
      {{"task", "get", "worker-0000000000001"}, invalid, "is not an id"},
      {{"task", "get", "task-0000000000099"}, missing, "task-0000000000099"},
      {{"task", "cancel", "task-0000000000099"}, missing, "task-0000000000099"},
      {{"task", "retry", "task-0000000000099"}, missing, "task-0000000000099"},
      {{"task", "explain", "task-0000000000099"}, missing, "task-0000000000099"},
      {{"task", "logs", "task-0000000000099"}, missing, "task-0000000000099"},
      {{"task", "result", "task-0000000000099"}, missing, "task-0000000000099"},
      {{"task", "list", "-o", "xml"}, usage, "xml"},
      {{"plan", "status", "plan-0000000000099"}, missing, "0000000000099"},
      {{"plan", "pause", "plan-0000000000099"}, missing, "0000000000099"},
      {{"plan", "submit", "/no/such/file.yaml"}, missing, "/no/such/file.yaml"},
      {{"plan", "submit", file("empty.yaml", "")}, invalid, "empty.yaml"},
      {{"plan", "submit", file("scalar.yaml", "42\n")}, invalid, "scalar.yaml"},
      {{"plan", "submit", file("broken.yaml", "steps: [\n")}, invalid, "broken.yaml"},
      {{"plan", "submit", file("nosteps.yaml", "name: x\n")}, invalid, "steps"},
      {{"plan", "submit", file("typo.yaml", "name: x\nstep:\n - name: a\n   type: t\n")}, invalid, "steps"},
      {{"plan", "submit", file("need.yaml", "name: x\nsteps:\n - name: a\n   type: t\n   needs: [b]\n")}, invalid, "b"},
      {{"plan", "submit",
        file("cycle.yaml",
             "name: x\nsteps:\n - name: a\n   type: t\n   needs: [b]\n - name: b\n   type: t\n   needs: [a]\n")},
       invalid,
       "->"},
      {{"plan", "submit", file("bad.json", "{\"workflow\":{}}"), "--from", "wfformat"}, invalid, "bad.json"},
      {{"plan", "graph", "plan-0000000000099", "-o", "svg"}, usage, "svg"},
      {{"events", "publish"}, usage, "required"},
      {{"worker", "drain"}, usage, "required"},
      {{"completion", "fish"}, usage, "fish"},
      {{"--endpoint", "nowhere", "status"}, invalid, "nowhere"},
      {{"--endpoint", "127.0.0.1:99999", "status"}, invalid, "99999"},
      {{"--timeout", "500ms", "--endpoint", "127.0.0.1:1", "status"}, exit_status(errc::unavailable), "127.0.0.1:1"},
  };
  for (const auto& each : commands) {
    std::string line = "hivectl";
    for (const auto& argument : each.arguments) line += " " + argument;
    INFO(line);
    const auto ended = server.ctl(each.arguments);
    INFO(ended.output);
    CHECK(ended.status == each.status);
    CHECK(ended.output.find(each.says) != std::string::npos);
  }

  const std::string folder = (server.folder() / "other").string();
  const std::vector<bad_command> starts{
      {{"--nonsense"}, usage, "nonsense"},
      {{"--data-dir"}, usage, "data-dir"},
      {{"--data-dir", folder, "--listen", "0.0.0.0:0"}, invalid, "loopback"},
      {{"--data-dir", folder, "--listen", "192.168.1.1:0"}, invalid, "loopback"},
      {{"--data-dir", folder, "--listen", "[::]:0"}, invalid, "loopback"},
      {{"--data-dir", folder, "--listen", "127.0.0.1"}, invalid, "listen"},
      {{"--data-dir", folder, "--listen", "127.0.0.1:70000"}, invalid, "70000"},
      {{"--data-dir", folder, "--set", "ledger.batch_commands_max=0"}, invalid, "batch_commands_max"},
      {{"--data-dir", folder, "--set", "ledger.no_such=1"}, invalid, "no_such"},
      {{"--data-dir", folder, "--set", "broken"}, invalid, "broken"},
      {{"--config", "/no/such/hive.toml"}, missing, "/no/such/hive.toml"},
      {{"--config", file("typo.toml", "[ledger]\nbatch_command_max = 1\n")}, invalid, "batch_commands_max"},
      {{"--config", file("type.toml", "[ledger]\nbatch_commands_max = \"many\"\n")}, invalid, "type.toml:2"},
      {{"--config", file("syntax.toml", "[ledger\n")}, invalid, "syntax.toml:1"},
      {{"--data-dir", "/proc/no-such-folder"}, -1, "/proc/no-such-folder"},
  };
  for (const auto& each : starts) {
    std::vector<std::string> arguments{program("hived")};
    std::string line = "hived";
    for (const auto& argument : each.arguments) line += " " + argument;
    arguments.insert(arguments.end(), each.arguments.begin(), each.arguments.end());
    INFO(line);
    const auto ended = run(arguments, {}, 20s);
    INFO(ended.output);
    // -1 in the table: any refusal will do.
    if (each.status == -1) {
      CHECK(ended.status > 0);
    } else {
      CHECK(ended.status == each.status);
    }
    CHECK(ended.output.find(each.says) != std::string::npos);
  }
  WARN(commands.size() + starts.size() << " malformed command lines and files");
  CHECK(server.connect()->create_task(task_of("fine")));
}
