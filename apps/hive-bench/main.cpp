// hive-bench: measures a node, like pgbench does for a database.
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/hive-bench/scenarios.hpp"

namespace {

using namespace hive::bench;

std::string processor_name() {
  std::ifstream file{"/proc/cpuinfo"};
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

nlohmann::json describe_machine() {
  utsname system{};
  ::uname(&system);
  return {{"processor", processor_name()},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_bytes", static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE))},
          {"system", std::string{system.sysname} + " " + system.release}};
}

nlohmann::json describe_settings(const bench_options& options) {
  return {{"workers", options.workers},  {"slots", options.slots}, {"payload_bytes", options.payload_bytes},
          {"batch", options.batch},      {"count", options.count}, {"coalescing", options.is_coalescing},
          {"endpoint", options.endpoint}};
}

void print_table(const scenario& measured, const figures& taken) {
  std::cout << measured.name << ": " << measured.about << "\n";
  std::size_t width = 0;
  for (const auto& [name, value] : taken) width = std::max(width, name.size());
  for (const auto& [name, value] : taken) {
    std::cout << "  " << std::left << std::setw(static_cast<int>(width) + 2) << name << std::right << std::setw(14)
              << std::fixed << std::setprecision(value < 100 ? 3 : 0) << value << "\n";
  }
}

progress progress_line() {
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  return [is_terminal](std::uint64_t done, std::uint64_t total) {
    if (is_terminal) std::cerr << "\r" << done << " of " << total << "   " << (done >= total ? "\n" : "") << std::flush;
  };
}

int run_scenario(const std::string& name, const bench_options& options, const std::string& format) {
  for (const auto& each : scenarios()) {
    if (each.name != name) continue;
    const auto taken = each.run(options, progress_line());
    if (format == "table") {
      print_table(each, taken);
      return 0;
    }
    const nlohmann::json document{{"scenario", each.name},
                                  {"figures", taken},
                                  {"settings", describe_settings(options)},
                                  {"machine", describe_machine()},
                                  {"versions", {{"hive", HIVE_VERSION}}},
                                  {"commit", HIVE_COMMIT}};
    std::cout << document.dump(2) << "\n";
    return 0;
  }
  return 2;
}

}  // namespace

int main(int argument_count, char** arguments) {
  CLI::App app{
      "Measures hive: starts a node of its own on a temporary folder (or connects to one), runs a scenario "
      "and prints its figures."};
  app.set_version_flag("--version", HIVE_VERSION);
  app.require_subcommand(1);
  bench_options options;
  std::string format = "table";
  std::string chosen;
  for (const auto& each : scenarios()) {
    auto* command = app.add_subcommand(each.name, each.about);
    command->add_option("--workers", options.workers, "worker processes")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    command->add_option("--slots", options.slots, "slots of each worker")
        ->capture_default_str()
        ->check(CLI::Range(1, 4096));
    command->add_option("--payload-bytes", options.payload_bytes, "payload of each task")
        ->capture_default_str()
        ->check(CLI::Range(0, 1 << 20));
    command->add_option("--batch", options.batch, "tasks a batch (create)")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command->add_option("--count", options.count, "tasks or steps; 0: the scenario's own");
    command->add_flag("--coalescing,!--no-coalescing", options.is_coalescing, "calls in flight share messages");
    command->add_option("--connect", options.endpoint, "measure the node at HOST:PORT instead of an own one");
    command->add_option("--folder", options.folder,
                        "where the own node keeps its data (default: the temporary folder)");
    command->add_option("-o,--output", format, "table or json")->check(CLI::IsMember({"table", "json"}));
    command->callback([&chosen, name = each.name] { chosen = name; });
  }
  std::string worker_endpoint;
  std::string worker_name;
  unsigned worker_slots = 1;
  auto* worker = app.add_subcommand("worker-process", "")->group("");
  worker->add_option("--endpoint", worker_endpoint)->required();
  worker->add_option("--name", worker_name)->required();
  worker->add_option("--slots", worker_slots)->required();
  CLI11_PARSE(app, argument_count, arguments);
  try {
    if (worker->parsed()) return run_worker(worker_endpoint, worker_name, worker_slots);
    return run_scenario(chosen, options, format);
  } catch (const std::exception& failure) {
    std::cerr << "hive-bench: " << failure.what() << "\n";
    return 1;
  }
}
