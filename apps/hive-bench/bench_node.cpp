#include "apps/hive-bench/bench_node.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "client/worker.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto start_patience = 30s;
constexpr auto stop_patience = 10s;

template <class Predicate>
bool poll_until(Predicate is_done, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!is_done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

config::client_config settings_for(const std::string& endpoint) {
  auto settings = config::load_client_config("", {{"client.endpoint", endpoint}});
  if (!settings) throw std::runtime_error(to_string(settings.failure()));
  // Benchmarks keep more in flight than an ordinary client.
  settings->inflight_max = 100'000;
  return *settings;
}

}  // namespace

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::filesystem::path program_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

child::child(std::vector<std::string> arguments, const std::string& output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int failed = ::posix_spawn(&pid_, pointers.front(), &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + arguments.front());
}

bool child::is_running() const {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

child::~child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  if (poll_until([this] { return !is_running(); }, stop_patience)) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bench_node::bench_node(const std::string& endpoint, const std::string& folder) : endpoint_(endpoint) {
  const std::filesystem::path parent =
      folder.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path{folder};
  std::string pattern = (parent / "hive-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder in " + parent.string());
  folder_ = pattern;
  if (!endpoint_.empty()) return;
  const auto data = folder_ / "data";
  const auto log = folder_ / "hived.log";
  server_ = std::make_unique<child>(
      std::vector<std::string>{(program_folder() / "hived").string(), "--data-dir", data.string(), "--listen",
                               "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-level", "warn"},
      log.string());
  const auto ports = data / "ports.json";
  poll_until([&] { return std::filesystem::exists(ports) || !server_->is_running(); }, start_patience);
  if (!std::filesystem::exists(ports)) {
    std::ifstream text{log};
    throw std::runtime_error("hived did not start: " + std::string{std::istreambuf_iterator<char>{text}, {}});
  }
  std::ifstream file{ports};
  endpoint_ = "127.0.0.1:" + std::to_string(nlohmann::json::parse(file).at("clients").get<int>());
}

bench_node::~bench_node() {
  workers_.clear();
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::shared_ptr<client> bench_node::connect(bool is_coalescing) const {
  auto settings = settings_for(endpoint_);
  settings.is_coalescing = is_coalescing;
  auto connection = hive::connect(settings);
  if (!connection) throw std::runtime_error(to_string(connection.failure()));
  if (auto hello = (*connection)->wait_connected(10s); !hello) throw std::runtime_error(to_string(hello.failure()));
  return *connection;
}

void bench_node::start_workers(unsigned count, unsigned slots) {
  for (unsigned index = 0; index < count; ++index) {
    workers_.push_back(std::make_unique<child>(
        std::vector<std::string>{(program_folder() / "hive-bench").string(), "worker-process", "--endpoint", endpoint_,
                                 "--name", "bench-" + std::to_string(index), "--slots", std::to_string(slots)},
        (folder_ / "worker.log").string()));
  }
  const auto connection = connect();
  const bool are_active = poll_until(
      [&] {
        const auto active = connection->get_active_workers(1000);
        return active && static_cast<unsigned>(active->workers_size()) >= count;
      },
      start_patience);
  if (!are_active) throw std::runtime_error("the workers did not start");
}

std::uint64_t bench_node::server_memory_bytes() const {
  if (!server_) return 0;
  std::ifstream status{"/proc/" + std::to_string(server_->pid()) + "/status"};
  std::string word;
  while (status >> word) {
    if (word == "RssAnon:") {
      std::uint64_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024;
    }
  }
  return 0;
}

int run_worker(const std::string& endpoint, const std::string& name, unsigned slots) {
  worker_options options;
  options.name = name;
  options.slots = slots;
  options.connection = settings_for(endpoint);
  worker executor{options};
  executor.on("noop", [](task_context&) { return task_output{}; });
  executor.on("stamp", [](task_context& task) {
    const auto now = monotonic_ns();
    return task_output{std::to_string(now - std::stoll(task.payload()))};
  });
  return executor.run() ? 0 : 1;
}

}  // namespace hive::bench
