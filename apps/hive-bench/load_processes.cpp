#include "apps/hive-bench/load_processes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "apps/hive-bench/child.hpp"
#include "apps/hive-bench/latency_histogram.hpp"
#include "client/client.hpp"
#include "client/worker.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

// Before any thread starts: all inherit the blocked signals, wait_for_end() takes them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void wait_for_end(const sigset_t& signals) {
  int number = 0;
  ::sigwait(&signals, &number);
}

class shared_histogram {
 public:
  void add(std::int64_t value_ns) {
    std::lock_guard lock(mutex_);
    samples_.add(value_ns);
  }
  void save(const std::string& file) {
    std::lock_guard lock(mutex_);
    if (!file.empty()) samples_.save(file);
  }

 private:
  std::mutex mutex_;
  latency_histogram samples_;
};

// One counter in a file that the benchmark reads while this process runs.
class shared_counter {
 public:
  shared_counter(const std::string& file, unsigned index) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    if (descriptor < 0) throw std::runtime_error("cannot open " + file);
    void* const mapped = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + file);
    counters_ = static_cast<std::atomic<std::uint64_t>*>(mapped);
    mine_ = counters_ + index;
  }
  ~shared_counter() { ::munmap(counters_, page_bytes); }
  shared_counter(const shared_counter&) = delete;
  shared_counter& operator=(const shared_counter&) = delete;
  void increment() { mine_->fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr std::size_t page_bytes = 4096;
  std::atomic<std::uint64_t>* counters_ = nullptr;
  std::atomic<std::uint64_t>* mine_ = nullptr;
};

}  // namespace

config::client_config bench_client_config(const std::string& endpoint) {
  auto settings = config::load_client_config("", {{"client.endpoint", endpoint}});
  if (!settings) throw std::runtime_error(to_string(settings.failure()));
  settings->inflight_max = 100'000;
  return *settings;
}

int run_workers(const load_process& told) {
  const auto signals = block_signals();
  shared_histogram latencies;
  std::vector<std::unique_ptr<worker>> workers;
  for (unsigned index = 0; index < told.count; ++index) {
    worker_options options;
    options.name = told.count == 1 ? told.name : told.name + "-" + std::to_string(index);
    options.slots = told.slots;
    options.connection = bench_client_config(told.endpoint);
    options.install_signal_handling = false;
    auto& made = *workers.emplace_back(std::make_unique<worker>(options));
    made.on("noop", [](task_context&) { return task_output{}; });
    made.on("stamp", [](task_context& task) {
      const auto now = monotonic_ns();
      return task_output{std::to_string(now - std::stoll(task.payload()))};
    });
    made.on("record", [&latencies](task_context& task) {
      const auto now = monotonic_ns();
      const auto intended = std::stoll(task.payload());
      if (intended != 0) latencies.add(now - intended);
      return task_output{};
    });
    if (const auto started = made.start(); !started) throw std::runtime_error(to_string(started.failure()));
  }
  wait_for_end(signals);
  for (auto& one : workers) one->drain();
  for (auto& one : workers) one->wait(5s);
  latencies.save(told.latencies);
  return 0;
}

int run_subscribers(const load_process& told) {
  const auto signals = block_signals();
  shared_counter delivered{told.counters, told.index};
  shared_histogram latencies;
  const auto connection = hive::connect(bench_client_config(told.endpoint));
  if (!connection) throw std::runtime_error(to_string(connection.failure()));
  std::vector<subscription> subscriptions;
  for (unsigned index = 0; index < told.count; ++index) {
    subscribe_options options;
    options.filter.add_names(told.name);
    auto made = (*connection)->subscribe(options, [&](const v1::Event& event) {
      const auto now = monotonic_ns();
      delivered.increment();
      const auto intended = std::atoll(event.task().data().c_str());
      if (intended != 0) latencies.add(now - intended);
    });
    if (!made) throw std::runtime_error(to_string(made.failure()));
    subscriptions.push_back(std::move(*made));
  }
  wait_for_end(signals);
  subscriptions.clear();
  latencies.save(told.latencies);
  return 0;
}

}  // namespace hive::bench
