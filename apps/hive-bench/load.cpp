#include "apps/hive-bench/load.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "apps/hive-bench/open_loop.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// Of an open loop: beyond this many unanswered calls a client waits; the latency still counts from the intended start.
constexpr std::size_t open_calls_max = 50'000;

// Runs body(0) ... body(count - 1) on threads of their own; throws what the first of them threw.
void run_threads(unsigned count, const std::function<void(unsigned)>& body) {
  std::mutex mutex;
  std::exception_ptr failure;
  {
    std::vector<std::jthread> threads;
    for (unsigned index = 0; index < count; ++index) {
      threads.emplace_back([&, index] {
        try {
          body(index);
        } catch (...) {
          std::lock_guard lock(mutex);
          if (!failure) failure = std::current_exception();
        }
      });
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void wait_until(std::int64_t time_ns) {
  timespec until{};
  until.tv_sec = time_ns / 1'000'000'000;
  until.tv_nsec = time_ns % 1'000'000'000;
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

// Calls of one client that are not answered yet, oldest first.
class open_calls {
 public:
  void add(std::future<result<task_change>> call) { calls_.push_back(std::move(call)); }
  /// Waits until fewer than `max` are left, and takes what is ready.
  void shrink_below(std::size_t max) {
    while (!calls_.empty() && (calls_.size() >= max || calls_.front().wait_for(0s) == std::future_status::ready)) {
      take(calls_.front().get());
      calls_.pop_front();
    }
  }
  void finish() { shrink_below(1); }

 private:
  std::deque<std::future<result<task_change>>> calls_;
};

// What the client threads of one phase share.
struct phase {
  const bench_options& options;
  std::uint64_t count;  // 0: until `end`
  bool is_recorded;
  std::int64_t start_ns;
  std::int64_t end_ns;
  std::atomic<std::uint64_t> next{0};
};

void run_closed_client(phase& shared, client& connection, const progress& tell, bool is_telling) {
  open_calls calls;
  const std::size_t window = std::max(1U, shared.options.in_flight / shared.options.clients);
  const auto spec = task_of("noop", {}, shared.options.payload_bytes);
  for (;;) {
    calls.shrink_below(window);
    const auto index = shared.next++;
    if (shared.count != 0 ? index >= shared.count : monotonic_ns() >= shared.end_ns) break;
    calls.add(connection.async().create_task(spec));
    if (is_telling && index % 1'000 == 0) tell(index, shared.count);
  }
  calls.finish();
}

void run_open_client(phase& shared, client& connection, const progress& tell, bool is_telling) {
  ::prctl(PR_SET_TIMERSLACK, 1);  // else the kernel may wake this thread 50 us late
  const open_loop_schedule schedule{shared.start_ns, shared.options.rate};
  open_calls calls;
  for (;;) {
    const auto index = shared.next++;
    const auto intended = schedule.intended_ns(index);
    if (shared.count != 0 ? index >= shared.count : intended >= shared.end_ns) break;
    wait_until(intended);
    const auto stamp = shared.is_recorded ? std::to_string(intended) : "0";
    calls.add(connection.async().create_task(task_of("record", stamp, shared.options.payload_bytes)));
    calls.shrink_below(open_calls_max);
    if (is_telling && index % 1'000 == 0) tell(index, shared.count);
  }
  calls.finish();
}

}  // namespace

v1::TaskSpec task_of(const std::string& type, const std::string& text, unsigned payload_bytes) {
  auto payload = text;
  if (payload.size() < payload_bytes) payload.resize(payload_bytes, ' ');
  auto spec = make_task(type, std::move(payload), type);
  spec.set_content_type("text/plain");
  return spec;
}

std::uint64_t count_in_state(client& connection, const std::string& type, v1::TaskState state) {
  std::uint64_t sum = 0;
  const auto status = take(connection.status());
  for (const auto& counts : status.tasks()) {
    if (counts.type() == type && counts.by_state_size() > state) sum += counts.by_state(state);
  }
  return sum;
}

load_result run_load(const bench_cluster& cluster, const bench_options& options, std::uint64_t count, bool is_recorded,
                     const progress& tell) {
  const auto connection = cluster.connect(options.is_coalescing);
  const std::string type = options.rate > 0 ? "record" : "noop";
  const auto before = count_in_state(*connection, type, v1::TASK_STATE_COMPLETED);
  const auto start_ns = monotonic_ns();
  phase shared{options, count, is_recorded, start_ns,
               start_ns + static_cast<std::int64_t>(options.duration_seconds * 1e9)};
  const auto start = steady_clock::now();
  run_threads(options.clients, [&](unsigned index) {
    const auto caller = index == 0 ? connection : cluster.connect(options.is_coalescing);
    const auto run = options.rate > 0 ? run_open_client : run_closed_client;
    run(shared, *caller, tell, index == 0);
  });
  load_result done;
  // Each client took one index in vain.
  done.tasks = count != 0 ? count : shared.next - options.clients;
  done.create_seconds = seconds_since(start);
  const auto completed_count = [&] { return count_in_state(*connection, type, v1::TASK_STATE_COMPLETED) - before; };
  for (auto completed = completed_count(); completed < done.tasks; completed = completed_count()) {
    tell(completed, done.tasks);
    if (steady_clock::now() - start > end_patience) throw std::runtime_error("the tasks did not complete in time");
    std::this_thread::sleep_for(10ms);  // asking costs the node time too
  }
  done.seconds = seconds_since(start);
  return done;
}

void create_in_batches(const bench_cluster& cluster, const bench_options& options, const std::string& type,
                       std::uint64_t count, const progress& tell) {
  constexpr std::size_t batches_in_flight = 8;
  std::atomic<std::uint64_t> sent{0};
  const auto spec = task_of(type, {}, options.payload_bytes);
  run_threads(options.clients, [&](unsigned index) {
    const auto connection = cluster.connect(options.is_coalescing);
    std::deque<std::future<result<std::vector<result<task_change>>>>> calls;
    const auto settle_one = [&] {
      for (auto& item : take(calls.front().get())) take(std::move(item));
      calls.pop_front();
    };
    for (;;) {
      if (calls.size() >= batches_in_flight) settle_one();
      const auto first = sent.fetch_add(options.batch);
      if (first >= count) break;
      const auto size = std::min<std::uint64_t>(options.batch, count - first);
      calls.push_back(connection->async().create_tasks(std::vector<v1::TaskSpec>(size, spec)));
      if (index == 0) tell(first, count);
    }
    while (!calls.empty()) settle_one();
  });
  tell(count, count);
}

latency_histogram measure_dispatch(client& connection, unsigned payload_bytes,
                                   const std::function<bool(std::uint64_t done)>& is_over) {
  // One subscription for all: wait_task() would make one for each, which the node would be busy with while it
  // dispatches.
  subscribe_options ends;
  ends.filter.add_task_types("stamp");
  for (const char* name : {"task.completed", "task.failed", "task.canceled"}) ends.filter.add_names(name);
  auto events = take(connection.get_async_event_bus()->subscribe(std::move(ends)));
  latency_histogram samples;
  for (std::uint64_t done = 0; !is_over(done); ++done) {
    const auto created = take(connection.create_task(task_of("stamp", std::to_string(monotonic_ns()), payload_bytes)));
    while (take(events.next(60s)).task().task_id() != created.id.value) {
    }
    const auto task = take(connection.get_task(created.id, {.with_payload = false, .with_result = true}));
    if (task.status().state() != v1::TASK_STATE_COMPLETED) throw std::runtime_error("a task did not complete");
    samples.add(std::stoll(task.result().payload()));
  }
  return samples;
}

}  // namespace hive::bench
