// hive-bench: measures a node or a cluster, like pgbench does for a database.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <deque>
#include <iostream>
#include <thread>

#include "apps/hive-bench/child.hpp"
#include "apps/hive-bench/load_processes.hpp"
#include "apps/hive-bench/scenarios.hpp"

namespace {

using namespace hive::bench;

// One line that is written over on a terminal, a line every few seconds elsewhere.
class progress_line {
 public:
  explicit progress_line(std::string name) : name_(std::move(name)), is_terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~progress_line() {
    if (is_terminal_ && is_shown_) std::cerr << "\r\033[K" << std::flush;
  }
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  void tell(std::uint64_t done, std::uint64_t total) {
    using namespace std::chrono_literals;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < (is_terminal_ ? 100ms : 5'000ms)) return;
    last_ = now;
    is_shown_ = true;
    std::cerr << (is_terminal_ ? "\r\033[K" : "") << name_ << ": " << done;
    if (total != 0) std::cerr << " of " << total;
    std::cerr << (is_terminal_ ? "" : "\n") << std::flush;
  }

 private:
  std::string name_;
  bool is_terminal_;
  bool is_shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// One scenario as a subcommand, with its options.
struct command_line {
  const scenario* measured;
  bench_options options;
  std::string format = "table";
  CLI::App* command = nullptr;
};

// SIGINT and SIGTERM leave nothing behind. Call before any other thread starts: all inherit the blocked signals.
void watch_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int number = 0;
    ::sigwait(&signals, &number);
    leave(128 + number);
  }).detach();
}

int run_scenario(const command_line& chosen) {
  const auto& measured = *chosen.measured;
  figures taken;
  {
    progress_line line{measured.name};
    taken = measured.run(chosen.options, [&line](std::uint64_t done, std::uint64_t total) { line.tell(done, total); });
  }
  if (chosen.format == "table")
    print_table(std::cout, measured.name + ": " + measured.about, taken);
  else
    std::cout << to_json(measured.name, taken, describe_settings(chosen.options, measured.takes)).dump(2) << "\n";
  std::cout.flush();
  return std::cout ? 0 : 1;
}

// What --nodes means to this scenario, where that is not the same as to the others.
void limit_nodes(CLI::App& command, const scenario& measured) {
  if (!measured.why_alone.empty()) {
    command
        .add_option_function<unsigned>("--nodes",
                                       [&](unsigned nodes) {
                                         if (nodes != 1) throw CLI::ValidationError("--nodes", measured.why_alone);
                                       })
        ->group("");
  }
  if (!measured.why_cluster.empty()) {
    command.get_option("--nodes")->check(
        CLI::Validator([&](const std::string& text) { return text != "1" ? "" : measured.why_cluster; }, ""));
  }
}

void add_process_options(CLI::App& command, load_process& into) {
  command.add_option("--endpoint", into.endpoint)->required();
  command.add_option("--name", into.name)->required();
  command.add_option("--count", into.count);
  command.add_option("--slots", into.slots);
  command.add_option("--latencies", into.latencies);
  command.add_option("--counters", into.counters);
  command.add_option("--index", into.index);
}

}  // namespace

int main(int argument_count, char** arguments) {
  CLI::App app{
      "Measures hive: starts a node of its own on a temporary folder, or with --nodes 3 a cluster (or connects to what "
      "runs already), runs a scenario and prints its figures."};
  app.footer(
      "For example:\n"
      "  hive-bench lifecycle\n"
      "  hive-bench lifecycle --nodes 3 --folder /dev/shm\n"
      "  hive-bench failover --tries 10 -o json\n"
      "hive-bench SCENARIO --help tells what a scenario takes, and more about those of clusters.");
  app.set_version_flag("--version", std::string("hive-bench ") + HIVE_VERSION);
  app.require_subcommand(1);
  std::deque<command_line> commands;
  for (const auto& each : scenarios()) {
    auto& made = commands.emplace_back(command_line{&each, each.defaults});
    made.command = app.add_subcommand(each.name, each.about);
    add_options(*made.command, made.options, each.takes);
    limit_nodes(*made.command, each);
    made.command->footer(each.lesson);
    made.command->add_option("-o,--output", made.format, "table or json")
        ->capture_default_str()
        ->check(CLI::IsMember({"table", "json"}));
  }
  load_process told;
  auto* const worker = app.add_subcommand("worker-process", "")->group("");
  auto* const subscriber = app.add_subcommand("subscriber-process", "")->group("");
  add_process_options(*worker, told);
  add_process_options(*subscriber, told);
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? 0 : 2;
  }
  try {
    if (worker->parsed()) return run_workers(told);
    if (subscriber->parsed()) return run_subscribers(told);
    watch_signals();
    for (const auto& one : commands) {
      if (one.command->parsed()) return run_scenario(one);
    }
  } catch (const std::exception& failure) {
    std::cerr << "hive-bench: " << failure.what() << "\n";
    return 1;
  }
  return 2;
}
