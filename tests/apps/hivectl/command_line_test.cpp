#include <catch2/catch.hpp>

#include "apps/executor/process_runner.hpp"
#include "apps/hivectl/session.hpp"
#include "apps/hivectl/task_actions.hpp"

using namespace hive;

namespace {

struct command_line {
  std::vector<std::string> arguments;
  int status;
  std::string words;  // of what it says on stderr or stdout
};

executor::process_outcome run(const std::string& program, const std::vector<std::string>& arguments) {
  executor::process_payload payload;
  payload.argv = {std::string{HIVE_PROGRAM_FOLDER} + "/" + program};
  payload.argv.insert(payload.argv.end(), arguments.begin(), arguments.end());
  payload.env = {{"HIVE_ENDPOINT", "127.0.0.1:1"}, {"HIVE_CONFIG", ""}};
  payload.time_limit_ms = 60'000;
  const auto outcome = executor::run_process(payload, {}, {}, {});
  if (!outcome) FAIL(outcome.failure().message);
  return *outcome;
}

constexpr int invalid_argument = 11;

}  // namespace

TEST_CASE("wrong command lines are refused before anything is sent, each with its own words") {
  const std::vector<command_line> lines = {
      {{}, 2, "A subcommand is required"},
      {{"task"}, 2, "A subcommand is required"},
      {{"tsak", "list"}, 2, "there is no command 'tsak'; did you mean 'task'?"},
      {{"-o", "json", "task", "crate"}, 2, "there is no command 'crate'; did you mean 'create'?"},
      {{"frobnicate"}, 2, "there is no command 'frobnicate'; there are task, plan"},
      {{"task", "get"}, 2, "id is required"},
      {{"task", "get", "1", "2"}, 2, "2"},
      {{"-o", "xml", "status"}, 2, "xml"},
      {{"task", "list", "--nope"}, 2, "--nope"},
      {{"task", "list", "--limit", "0"}, 2, "--limit"},
      {{"task", "list", "--limit", "many"}, 2, "--limit"},
      {{"task", "create", "--priority", "high", "--type", "t"}, 2, "--priority"},
      {{"task", "logs", "--only-stdout", "--only-stderr", "1"}, 2, "excludes"},
      {{"plan", "graph", "-o", "svg", "x"}, 2, "svg"},
      {{"plan", "submit"}, 2, "file is required"},
      {{"plan", "submit", "--from", "dax", "x"}, 2, "dax"},
      {{"events", "tail", "--from-start", "--after", "5"}, 2, "excludes"},
      {{"events", "publish", "a.b"}, 2, "give either --task or --plan"},
      {{"completion", "fish"}, 2, "fish"},
      {{"--timeout", "soon", "status"}, 2, "--timeout must be a duration"},
      {{"cluster"}, 2, "A subcommand is required"},
      {{"cluster", "add", "4"}, 2, "ENDPOINT is required"},
      {{"cluster", "add", "0", "h:1"}, 2, "NODE_ID"},
      {{"cluster", "remove", "four"}, 2, "NODE_ID"},
      {{"cluster", "remove", "-1"}, 2, "NODE_ID"},
      {{"cluster", "transfer", "0"}, 2, "NODE_ID: must be 1 to 9223372036854775807"},
      {{"cluster", "add", "99999999999999999999", "h:1"}, 2, "NODE_ID: must be 1 to 9223372036854775807"},
      {{"cluster", "add", "9223372036854775808", "h:1"}, 2, "NODE_ID: must be 1 to 9223372036854775807"},
      {{"cluster", "add", "4", "h:0"}, 2, "others must find the node at a port"},
      {{"cluster", "add", "4", "nonsense"}, 2, "ENDPOINT"},
      {{"cluster", "recover", "--data-dir", "/no", "--node-id", "1", "--endpoint", "nonsense"}, 2, "ENDPOINT"},
      {{"cluster", "recover", "--data-dir", "/no", "--node-id", "0", "--endpoint", "h:1"}, 2, "NODE_ID"},
      {{"cluster", "add", "4", "h:1", "--for", "soon"}, 2, "--for"},
      {{"cluster", "recover", "--node-id", "1", "--endpoint", "h:1"}, 2, "--data-dir is required"},
      {{"--timeout", "soon", "cluster", "status"}, 2, "--timeout must be a duration"},
      {{"task", "get", "task-u"}, invalid_argument, "task"},
      {{"task", "get", "worker-0000000000001"}, invalid_argument, "worker-"},
      {{"task", "create"}, invalid_argument, "give either --type TYPE, or a command"},
      {{"task", "create", "--type", "t", "--", "x"}, invalid_argument, "give either --type TYPE, or a command"},
      {{"task", "create", "--payload", "{}", "--", "x"}, invalid_argument, "makes the payload itself"},
      {{"task", "create", "--type", "t", "--label", "x"}, invalid_argument, "KEY=VALUE"},
      {{"task", "create", "--type", "t", "--worker-label", "=x"}, invalid_argument, "KEY=VALUE"},
      {{"task", "create", "--type", "t", "--delay", "5"}, invalid_argument, "--delay must be a duration"},
      {{"task", "create", "--type", "t", "--payload", "@/no/file"}, invalid_argument, "cannot be opened"},
      {{"task", "list", "--state", "done"}, invalid_argument, "there is no state 'done'"},
      {{"task", "list", "--plan", "x"}, invalid_argument, "--plan"},
      {{"plan", "list", "--state", "queued"}, invalid_argument, "there is no state 'queued'"},
      {{"plan", "submit", "/no/plan.yaml"}, 12, "cannot be opened"},
      {{"plan", "submit", "--from", "wfformat", "--time-scale", "-1", "/dev/null"}, invalid_argument, "time scale"},
      {{"plan", "submit", "/dev/null"}, invalid_argument, "the plan is empty"},
      {{"plan", "pause", "plan-!"}, invalid_argument, "plan"},
      {{"events", "tail", "--task", "x"}, invalid_argument, "--task"},
      {{"--endpoint", "nowhere", "status"}, invalid_argument, "endpoint"},
      {{"task", "create", "--title", "\xFF\xFE", "--", "echo"}, 2, "argument 4 is not UTF-8 text"},
      {{"worker", "get", "a\xC3"}, 2, "argument 3 is not UTF-8 text"},
  };
  for (const command_line& line : lines) {
    std::string text;
    for (const std::string& word : line.arguments) text += word + " ";
    INFO(text);
    const auto outcome = run("hivectl", line.arguments);
    INFO(outcome.stderr_text);
    CHECK(outcome.exit_code == line.status);
    CHECK((outcome.stderr_text + outcome.stdout_text).find(line.words) != std::string::npos);
  }
}

TEST_CASE("wrong worker command lines are refused") {
  const std::vector<command_line> lines = {
      {{"--slots", "0"}, 2, "--slots"},
      {{"--slots", "4097"}, 2, "--slots"},
      {{"--unknown"}, 2, "--unknown"},
      {{"--name", "a\xFF"}, 2, "argument 2 is not UTF-8 text"},
      {{"--label", "x"}, invalid_argument, "KEY=VALUE"},
      {{"--drain-timeout", "5"}, invalid_argument, "--drain-timeout must be a duration"},
      {{"--endpoint", "x"}, invalid_argument, "endpoint"}};
  for (const command_line& line : lines) {
    const auto outcome = run("hive-worker", line.arguments);
    INFO(outcome.stderr_text);
    CHECK(outcome.exit_code == line.status);
    CHECK(outcome.stderr_text.find(line.words) != std::string::npos);
  }
}

TEST_CASE("a node that is not there is told with what to do next") {
  const auto outcome = run("hivectl", {"--timeout", "300ms", "status"});
  CHECK(outcome.exit_code == 16);
  CHECK(outcome.stderr_text.find("is hived running at 127.0.0.1:1?") != std::string::npos);
}

TEST_CASE("help teaches, and completion scripts are valid for their shell") {
  CHECK(run("hivectl", {"--help"}).stdout_text.find("Exit status") != std::string::npos);
  CHECK(run("hivectl", {"task", "create", "--help"}).stdout_text.find("Examples:") != std::string::npos);
  executor::process_payload payload;
  payload.argv = {"bash", "-n"};
  payload.stdin_text = run("hivectl", {"completion", "bash"}).stdout_text;
  const auto checked = executor::run_process(payload, {}, {}, {});
  REQUIRE(checked.has_value());
  CHECK(checked->stderr_text.empty());
  payload.argv = {"bash", "-c",
                  "source /dev/stdin; COMP_WORDS=(hivectl plan su); COMP_CWORD=2; _hivectl; echo ${COMPREPLY[*]}"};
  const auto completed = executor::run_process(payload, {}, {}, {});
  REQUIRE(completed.has_value());
  CHECK(completed->stdout_text == "submit\n");
  payload.argv.back() =
      "source /dev/stdin; complete_words() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _hivectl; "
      "echo \"${COMPREPLY[*]}\"; }\n"
      "complete_words hivectl -o ''; complete_words hivectl plan graph -o ''; complete_words hivectl -o json wor\n"
      "complete_words hivectl task list --state fa; complete_words hivectl completion ''\n"
      "complete_words hivectl task create -- task";
  const auto values = executor::run_process(payload, {}, {}, {});
  REQUIRE(values.has_value());
  CHECK(values->stderr_text.empty());
  CHECK(values->stdout_text == "table json yaml\ndot mermaid\nworker\nfailed\nbash zsh\n\n");
}

TEST_CASE("a local mistake gives no advice about the node, and each help ends with its own words") {
  CHECK(run("hivectl", {"plan", "submit", "/no/plan.yaml"}).stderr_text.find("next:") == std::string::npos);
  CHECK(run("hivectl", {"task", "get"}).stderr_text.find("next:  hivectl task get --help") != std::string::npos);
  const std::string help = run("hivectl", {"task", "get", "--help"}).stdout_text;
  CHECK(help.find("Every command also takes --endpoint") != std::string::npos);
  CHECK(help.find("Begin with") == std::string::npos);
}

TEST_CASE("a command whose output is lost does not end as if all were well") {
  executor::process_payload payload;
  payload.script =
      "check() { \"$@\"; echo \"$? $*\" >&2; }\n"
      "check $1 --help > /dev/full; check $1 completion bash > /dev/full; check $1 version >&-\n"
      "check $1 task get x > /dev/full; check $1 version > /dev/null\n"
      "$1 --help-all | true\n";
  payload.interpreter = {"bash"};
  payload.script = "set -- '" + std::string{HIVE_PROGRAM_FOLDER} + "/hivectl'\n" + payload.script;
  const auto outcome = executor::run_process(payload, {}, {}, {});
  REQUIRE(outcome.has_value());
  const auto& words = outcome->stderr_text;
  INFO(words);
  const auto counted = [&words](const std::string& text) {
    int count = 0;
    for (auto at = words.find(text); at != std::string::npos; at = words.find(text, at + 1)) ++count;
    return count;
  };
  CHECK(counted("error: the output could not be written: No space left on device\n4 ") == 2);
  CHECK(counted("error: the output could not be written: Bad file descriptor\n4 ") == 1);
  CHECK(counted("\n11 ") == 1);  // nothing was to be written
  CHECK(counted("\n0 ") == 1);
  CHECK(counted("error: the output") == 3);
}

TEST_CASE("help of what talks to no node offers no endpoint, and version has a form for programs") {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"tls", "show"}, {"restore"}, {"cluster", "recover"}}) {
    auto arguments = words;
    arguments.emplace_back("--help");
    CHECK(run("hivectl", arguments).stdout_text.find("Every command also takes") == std::string::npos);
  }
  CHECK(run("hivectl", {"cluster", "add", "--help"}).stdout_text.find("Every command also takes") != std::string::npos);
  CHECK(run("hivectl", {"cluster", "--help"}).stdout_text.find("Examples:") != std::string::npos);
  CHECK(run("hivectl", {"version", "-o", "json"}).stdout_text.starts_with("{\n  \"program\": \"hivectl\""));
}

TEST_CASE("a graph of a plan file needs no node") {
  executor::process_payload payload;
  payload.argv = {std::string{HIVE_PROGRAM_FOLDER} + "/hivectl", "plan", "graph", "-o", "mermaid", "-"};
  payload.stdin_text = "steps:\n- {name: a, run: x}\n- {name: b, run: x, needs: a}\n";
  const auto outcome = executor::run_process(payload, {}, {}, {});
  REQUIRE(outcome.has_value());
  CHECK(outcome->stdout_text == "flowchart LR\n  s0[\"a\"]\n  s1[\"b\"]\n  s0 --> s1\n");
}
