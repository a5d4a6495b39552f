#include "apps/hive-bench/bench_node.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

#include "apps/hive-bench/load_processes.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto start_patience = 60s;
constexpr auto stop_patience = 30s;

std::filesystem::path program_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

// What must not stay behind when this process is told to end.
struct held_things {
  std::mutex mutex;
  std::set<pid_t> pids;
  std::set<std::filesystem::path> folders;
};

held_things& held() {
  static held_things things;
  return things;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream text{file};
  return {std::istreambuf_iterator<char>{text}, {}};
}

}  // namespace

bool poll_until(const std::function<bool()>& is_done, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!is_done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void leave(int status) {
  std::lock_guard lock(held().mutex);
  for (const auto pid : held().pids) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  std::error_code ignored;
  for (const auto& folder : held().folders) std::filesystem::remove_all(folder, ignored);
  ::_exit(status);
}

child::child(std::vector<std::string> arguments, const std::string& output) {
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::lock_guard lock(held().mutex);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot start " + arguments.front());
  if (pid_ > 0) {
    held().pids.insert(pid_);
    return;
  }
  // Only async-signal-safe calls from here on. The child must not outlive this process, whatever ends it.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = ::open("/dev/null", O_RDONLY);
  const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (input < 0 || log < 0 || ::dup2(input, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(126);
  ::execv(pointers.front(), pointers.data());
  ::_exit(127);
}

void child::forget() const {
  std::lock_guard lock(held().mutex);
  held().pids.erase(pid_);
  pid_ = -1;
}

bool child::is_running() const {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  forget();
  return false;
}

void child::terminate() const {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void child::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  forget();
}

double child::cpu_seconds() const {
  const auto text = text_of("/proc/" + std::to_string(pid_) + "/stat");
  const auto end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields{text.substr(end_of_name + 1)};
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

child::~child() {
  if (pid_ <= 0) return;
  terminate();
  if (!poll_until([this] { return !is_running(); }, stop_patience)) kill();
}

bench_node::bench_node(const std::string& endpoint, const std::string& folder) : endpoint_(endpoint) {
  const std::filesystem::path parent =
      folder.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path{folder};
  std::string pattern = (parent / "hive-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder in " + parent.string());
  folder_ = pattern;
  {
    std::lock_guard lock(held().mutex);
    held().folders.insert(folder_);
  }
  is_own_ = endpoint_.empty();
  if (!is_own_) return;
  try {
    start_server();
  } catch (...) {
    server_.reset();
    remove_folder();
    throw;
  }
}

bench_node::~bench_node() {
  workers_.clear();
  subscribers_.clear();
  server_.reset();
  remove_folder();
}

void bench_node::remove_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  std::lock_guard lock(held().mutex);
  held().folders.erase(folder_);
}

void bench_node::start_server() {
  if (!is_own_) throw std::runtime_error("only a node of its own can be started");
  const auto data = folder_ / "data";
  const auto log = folder_ / "hived.log";
  const auto ports = data / "ports.json";
  std::filesystem::remove(ports);  // of a node that was killed
  server_ = std::make_unique<child>(
      std::vector<std::string>{(program_folder() / "hived").string(), "--data-dir", data.string(), "--listen",
                               "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-level", "warn"},
      log.string());
  poll_until([&] { return std::filesystem::exists(ports) || !server_->is_running(); }, start_patience);
  if (!std::filesystem::exists(ports)) throw std::runtime_error("hived did not start: " + text_of(log));
  endpoint_ = "127.0.0.1:" + std::to_string(nlohmann::json::parse(text_of(ports)).at("clients").get<int>());
}

void bench_node::kill_server() {
  if (server_) server_->kill();
  server_.reset();
}

std::shared_ptr<client> bench_node::connect(bool is_coalescing) const {
  auto settings = bench_client_config(endpoint_);
  settings.is_coalescing = is_coalescing;
  auto connection = hive::connect(settings);
  if (!connection) throw std::runtime_error(to_string(connection.failure()));
  if (auto hello = (*connection)->wait_connected(10s); !hello) throw std::runtime_error(to_string(hello.failure()));
  return *connection;
}

std::filesystem::path bench_node::next_file(const std::string& kind) {
  return folder_ / (kind + "-" + std::to_string(files_++));
}

void bench_node::start_workers(unsigned count, unsigned slots, unsigned processes) {
  const auto connection = connect();
  const auto active_count = [&] {
    const auto status = connection->status();
    return status ? status->workers_active() : 0;
  };
  const auto others = active_count();
  if (processes == 0 || processes > count) processes = count;
  const auto log = folder_ / "worker.log";
  for (unsigned index = 0; index < processes; ++index) {
    const unsigned share = count / processes + (index < count % processes ? 1 : 0);
    worker_files_.push_back(next_file("dispatch"));
    workers_.push_back(std::make_unique<child>(
        std::vector<std::string>{(program_folder() / "hive-bench").string(), "worker-process", "--endpoint", endpoint_,
                                 "--name", "bench-" + std::to_string(index), "--count", std::to_string(share),
                                 "--slots", std::to_string(slots), "--latencies", worker_files_.back().string()},
        log.string()));
  }
  if (!poll_until([&] { return active_count() >= others + count; }, start_patience))
    throw std::runtime_error("the workers did not start: " + text_of(log));
}

void bench_node::stop_workers() {
  for (const auto& one : workers_) one->terminate();
  workers_.clear();
  for (const auto& file : worker_files_) {
    // Missing if the process had to be killed.
    if (!std::filesystem::exists(file)) throw std::runtime_error("a worker process did not end well");
    dispatch_latencies_.merge(latency_histogram::load(file));
  }
  worker_files_.clear();
}

latency_histogram bench_node::take_dispatch_latencies() { return std::exchange(dispatch_latencies_, {}); }

void bench_node::start_subscribers(unsigned count, unsigned processes, const std::string& name) {
  const auto connection = connect();
  const auto subscriber_count = [&] {
    const auto status = connection->status();
    return status ? status->subscribers() : 0;
  };
  const auto others = subscriber_count();
  counter_file_ = next_file("counters");
  std::ofstream{counter_file_} << std::string(4096, '\0');
  processes = std::min(processes, count);
  const auto log = folder_ / "subscriber.log";
  for (unsigned index = 0; index < processes; ++index) {
    const unsigned share = count / processes + (index < count % processes ? 1 : 0);
    subscriber_files_.push_back(next_file("deliveries"));
    subscribers_.push_back(std::make_unique<child>(
        std::vector<std::string>{(program_folder() / "hive-bench").string(), "subscriber-process", "--endpoint",
                                 endpoint_, "--name", name, "--count", std::to_string(share), "--latencies",
                                 subscriber_files_.back().string(), "--counters", counter_file_.string(), "--index",
                                 std::to_string(index)},
        log.string()));
  }
  if (!poll_until([&] { return subscriber_count() >= others + count; }, start_patience))
    throw std::runtime_error("the subscribers did not start: " + text_of(log));
}

std::uint64_t bench_node::delivered_count() const {
  std::ifstream file{counter_file_, std::ios::binary};
  std::vector<std::uint64_t> counters(subscriber_files_.size());
  file.read(reinterpret_cast<char*>(counters.data()),
            static_cast<std::streamsize>(counters.size() * sizeof(std::uint64_t)));
  std::uint64_t sum = 0;
  for (const auto one : counters) sum += one;
  return sum;
}

latency_histogram bench_node::stop_subscribers() {
  for (const auto& one : subscribers_) one->terminate();
  subscribers_.clear();
  latency_histogram all;
  for (const auto& file : subscriber_files_) {
    if (!std::filesystem::exists(file)) throw std::runtime_error("a subscriber process did not end well");
    all.merge(latency_histogram::load(file));
  }
  subscriber_files_.clear();
  return all;
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

double bench_node::server_cpu_seconds() const { return server_ ? server_->cpu_seconds() : 0; }

double bench_node::workers_cpu_seconds() const {
  double sum = 0;
  for (const auto& one : workers_) sum += one->cpu_seconds();
  return sum;
}

std::uint64_t bench_node::disk_bytes() const {
  if (!server_) return 0;
  std::uint64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder_ / "data"}) {
    struct stat found {};
    if (::stat(entry.path().c_str(), &found) == 0 && S_ISREG(found.st_mode))
      sum += static_cast<std::uint64_t>(found.st_blocks) * 512;
  }
  return sum;
}

}  // namespace hive::bench
