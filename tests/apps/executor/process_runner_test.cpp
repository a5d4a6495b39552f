#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

#include "apps/executor/orphans.hpp"
#include "apps/executor/process_runner.hpp"

using namespace hive;
using namespace hive::executor;
using namespace std::chrono_literals;

namespace {

process_payload shell(const std::string& script) {
  process_payload payload;
  payload.argv = {"/bin/sh", "-c", script};
  return payload;
}

process_payload program(const std::string& name) {
  process_payload payload;
  payload.argv = {name};
  return payload;
}

process_payload in_folder(const std::string& cwd) {
  process_payload payload = program("true");
  payload.cwd = cwd;
  return payload;
}

process_outcome run(const process_payload& payload, const run_options& options = {},
                    const std::vector<step_input>& inputs = {}) {
  auto outcome = run_process(payload, {"task-1", "2", "step one"}, inputs, options);
  if (!outcome) FAIL(to_string(outcome.failure()));
  return *outcome;
}

std::size_t open_files() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) ++count;
  return count;
}

bool is_alive(pid_t pid) { return ::kill(pid, 0) == 0; }

/// The numbers that a script printed.
std::vector<pid_t> printed_pids(const std::string& text) {
  std::istringstream words{text};
  std::vector<pid_t> pids;
  for (pid_t pid = 0; words >> pid;) pids.push_back(pid);
  return pids;
}

/// Killed processes are gone as soon as their new parent has reaped them.
bool all_gone(const std::vector<pid_t>& pids) {
  const auto give_up_at = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < give_up_at) {
    std::size_t alive = 0;
    for (const pid_t pid : pids) {
      std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
      const std::string text{std::istreambuf_iterator<char>{stat}, {}};
      const bool is_zombie = text.find(") Z ") != std::string::npos;
      alive += is_alive(pid) && !is_zombie ? 1 : 0;
    }
    if (alive == 0) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

TEST_CASE("a process gives its exit code, its two outputs and its duration") {
  const auto outcome = run(shell("echo out; echo err >&2; exit 3"));
  CHECK(outcome.ending == process_ending::exited);
  CHECK(outcome.exit_code == 3);
  CHECK(outcome.stdout_text == "out\n");
  CHECK(outcome.stderr_text == "err\n");
  CHECK(outcome.duration_ms >= 0);
  CHECK_FALSE(is_success(outcome));
}

TEST_CASE("a process that kills itself is told with its signal") {
  const auto outcome = run(shell("kill -9 $$"));
  CHECK(outcome.ending == process_ending::killed_by_signal);
  CHECK(outcome.signal == SIGKILL);
  CHECK(outcome.exit_code == -1);
}

TEST_CASE("a script runs with its interpreter") {
  process_payload payload;
  payload.script = "import sys\nprint(sum(range(5)), len(sys.argv))\n";
  payload.interpreter = {"python3"};
  CHECK(run(payload).stdout_text == "10 1\n");
}

TEST_CASE("a process learns its task, its environment, its folder and its inputs, which are removed afterwards") {
  process_payload payload = shell(
      "echo $HIVE_TASK_ID $HIVE_ATTEMPT \"$HIVE_STEP\" $A; pwd; cat \"$HIVE_INPUTS_DIR/left\"; echo $HIVE_RUN_DIR; "
      "touch "
      "$HIVE_TEMP_DIR/x");
  payload.env = {{"A", "b c"}, {"HIVE_TASK_ID", "forged"}};
  payload.cwd = "/usr";
  const auto outcome = run(payload, {}, {{"left", "from left\n", false}});
  std::istringstream lines{outcome.stdout_text};
  std::string line;
  std::getline(lines, line);
  CHECK(line == "task-1 2 step one b c");
  std::getline(lines, line);
  CHECK(line == "/usr");
  std::getline(lines, line);
  CHECK(line == "from left");
  std::getline(lines, line);
  REQUIRE_FALSE(line.empty());
  CHECK_FALSE(std::filesystem::exists(line));
}

TEST_CASE("a process starts with no open file but its three, and with no signal blocked or ignored") {
  ::signal(SIGPIPE, SIG_IGN);
  const auto outcome = run(shell("ls /proc/self/fd | tr '\\n' ' '; grep -E 'SigBlk|SigIgn' /proc/self/status"));
  CHECK(outcome.stdout_text.find("0 1 2 3 ") == 0);  // 3 is ls's own
  CHECK(outcome.stdout_text.find("SigBlk:\t0000000000000000") != std::string::npos);
  const std::size_t ignored = outcome.stdout_text.find("SigIgn:\t");
  REQUIRE(ignored != std::string::npos);
  // glibc keeps 32 and 33 for itself and leaves them ignored in every spawned process.
  constexpr std::uint64_t own_signals = 0x180000000;
  CHECK((std::stoull(outcome.stdout_text.substr(ignored + 8), nullptr, 16) & ~own_signals) == 0);
}

TEST_CASE("standard input may be larger than a pipe, and need not be read") {
  process_payload payload = shell("wc -c");
  payload.stdin_text.assign(900'000, 'x');
  CHECK(run(payload).stdout_text.find("900000") != std::string::npos);
  payload.argv = {"true"};
  CHECK(is_success(run(payload)));
}

TEST_CASE("a flood of output is bounded, on both streams at once, and streamed up to its limit") {
  process_payload payload = shell("yes out | head -c 5000000 & yes err | head -c 3000000 >&2; wait");
  payload.output_bytes_max = 10'000;
  std::uint64_t streamed = 0;
  run_options options;
  options.streamed_bytes_max = 1'000'000;
  options.on_output = [&](output_stream, std::string_view data) { streamed += data.size(); };
  const auto outcome = run(payload, options);
  CHECK(outcome.stdout_bytes == 5'000'000);
  CHECK(outcome.stderr_bytes == 3'000'000);
  CHECK(outcome.is_stdout_truncated);
  CHECK(outcome.stdout_text.size() < 10'100);
  CHECK(outcome.stdout_text.find("[... 4990000 bytes left out ...]") != std::string::npos);
  CHECK(streamed >= 1'000'000);
  CHECK(streamed < 1'000'200);
}

TEST_CASE("output is streamed while the process runs") {
  std::stop_source cancel;
  run_options options;
  options.cancel = cancel.get_token();
  std::string seen;
  options.on_output = [&](output_stream, std::string_view data) {
    seen += data;
    cancel.request_stop();  // the process would sleep for a long time
  };
  const auto outcome = run(shell("echo ready; exec sleep 300"), options);
  CHECK(seen == "ready\n");
  CHECK(outcome.ending == process_ending::canceled);
  CHECK(outcome.signal == SIGTERM);
}

TEST_CASE("a process may end in good order when it is canceled") {
  std::stop_source cancel;
  run_options options;
  options.cancel = cancel.get_token();
  options.on_output = [&](output_stream, std::string_view) { cancel.request_stop(); };
  const auto outcome = run(shell("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"), options);
  CHECK(outcome.ending == process_ending::canceled);
  CHECK(outcome.exit_code == 7);
  CHECK(outcome.stdout_text == "ready\nbye\n");
}

TEST_CASE("a process that ignores SIGTERM is killed after its grace") {
  std::stop_source cancel;
  run_options options;
  options.cancel = cancel.get_token();
  options.kill_grace = 100ms;
  options.on_output = [&](output_stream, std::string_view) { cancel.request_stop(); };
  const auto outcome = run(shell("trap '' TERM; echo ready; while :; do sleep 300; done"), options);
  CHECK(outcome.ending == process_ending::canceled);
  CHECK(outcome.signal == SIGKILL);
  CHECK(outcome.duration_ms >= 100);
  CHECK(outcome.duration_ms < 20'000);
}

TEST_CASE("a task that was canceled before its start is stopped at once") {
  std::stop_source cancel;
  cancel.request_stop();
  run_options options;
  options.cancel = cancel.get_token();
  CHECK(run(shell("sleep 300"), options).ending == process_ending::canceled);
}

TEST_CASE("a time limit stops a process, a stopped one too") {
  process_payload payload = shell("kill -STOP $$; sleep 300");
  payload.time_limit_ms = 50;
  run_options options;
  options.kill_grace = 100ms;
  const auto outcome = run(payload, options);
  CHECK(outcome.ending == process_ending::time_limit);
  CHECK(outcome.duration_ms < 20'000);
}

TEST_CASE("three levels of children that ignore SIGTERM end with their task") {
  std::stop_source cancel;
  run_options options;
  options.cancel = cancel.get_token();
  options.kill_grace = 50ms;
  std::string seen;
  options.on_output = [&](output_stream, std::string_view data) {
    seen += data;
    if (std::count(seen.begin(), seen.end(), '\n') == 13) cancel.request_stop();  // 1 + 3 + 9
  };
  process_payload payload;
  payload.script =
      "level=$1\ntrap '' TERM\necho $$\n"
      "if [ \"${LEVEL:-0}\" -lt 2 ]; then for i in 1 2 3; do LEVEL=$((${LEVEL:-0} + 1)) sh \"$0\" & done; fi\nsleep "
      "300 & wait\n";
  payload.interpreter = {"/bin/sh"};
  const auto outcome = run(payload, options);
  CHECK(outcome.ending == process_ending::canceled);
  const auto pids = printed_pids(seen);
  CHECK(pids.size() == 13);
  CHECK(all_gone(pids));
}

TEST_CASE("what a process leaves in the background ends with it, and does not hold the task up") {
  const auto outcome = run(shell("sleep 300 & echo $!; exit 0"));
  CHECK(is_success(outcome));
  CHECK(outcome.duration_ms < 20'000);
  CHECK(all_gone(printed_pids(outcome.stdout_text)));
}

TEST_CASE("processes that left the group are found and ended by a worker that adopts them") {
  REQUIRE(adopt_orphans());
  const auto outcome = run(shell("setsid sh -c 'echo $$; setsid sleep 300 & sleep 300' & sleep 0.3; exit 0"));
  CHECK(is_success(outcome));
  const auto pids = printed_pids(outcome.stdout_text);
  REQUIRE(pids.size() == 1);
  CHECK_FALSE(is_alive(pids.front()));
}

TEST_CASE("two hundred runs on four threads leave no file, no process and no folder behind") {
  REQUIRE(adopt_orphans());
  run(shell("true"));
  const std::size_t before = open_files();
  std::vector<std::future<int>> threads;
  for (int t = 0; t < 4; ++t) {
    threads.push_back(std::async(std::launch::async, [t] {
      int good = 0;
      for (int i = 0; i < 50; ++i) {
        const std::string text = std::to_string(t) + "/" + std::to_string(i);
        const auto outcome = run_process(shell("(sleep 300 &) ; cat"), {}, {}, {});
        auto payload = shell("cat");
        payload.stdin_text = text;
        const auto echoed = run_process(payload, {}, {}, {});
        good += outcome && echoed && is_success(*outcome) && echoed->stdout_text == text ? 1 : 0;
      }
      return good;
    }));
  }
  for (auto& thread : threads) CHECK(thread.get() == 50);
  CHECK(open_files() == before);
  std::ifstream children{"/proc/self/task/" + std::to_string(::getpid()) + "/children"};
  CHECK(std::string{std::istreambuf_iterator<char>{children}, {}}.empty());
}

TEST_CASE("what cannot be started says why and is not found") {
  for (const auto& payload :
       {program("no-such-program"), program("/no/such/program"), in_folder("/no/such/folder"), program("/tmp")}) {
    const auto outcome = run_process(payload, {}, {}, {});
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.failure().code == errc::not_found);
  }
}

TEST_CASE("a program is looked up in the task's own PATH") {
  process_payload payload;
  payload.argv = {"sh", "-c", "true"};
  payload.env = {{"PATH", "/no/such/folder"}};
  const auto outcome = run_process(payload, {}, {}, {});
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.failure().message == "the program 'sh' is not in PATH (/no/such/folder)");
}
