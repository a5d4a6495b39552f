#include "apps/hive-bench/steady_writers.hpp"

#include <algorithm>
#include <stdexcept>

#include "apps/hive-bench/load.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto task_type = "written";
constexpr auto write_patience = 60s;
constexpr std::size_t read_batch = 1'000;

}  // namespace

steady_writers::steady_writers(const bench_cluster& cluster, const bench_options& options)
    : cluster_(cluster), spec_(task_of(task_type, {}, options.payload_bytes)), connection_(cluster.connect()) {
  for (unsigned index = 0; index < options.writers; ++index) {
    threads_.emplace_back([this] {
      const auto connection = cluster_.connect();
      while (!is_over_) create_next(*connection);
    });
  }
}

steady_writers::~steady_writers() { is_over_ = true; }

void steady_writers::write() { create_next(*connection_); }

void steady_writers::create_next(client& connection) {
  auto spec = spec_;
  spec.set_idempotency_key("written-" + std::to_string(next_++));
  const auto start = steady_clock::now();
  for (;;) {
    const auto made = connection.create_task(spec);
    if (made) {
      std::lock_guard lock(mutex_);
      acknowledged_.push_back({made->id, spec.idempotency_key()});
      return;
    }
    if (is_over_ || steady_clock::now() - start > write_patience) throw std::runtime_error(to_string(made.failure()));
  }
}

void steady_writers::check_node(std::size_t index) const {
  const auto connection = cluster_.connect_to(index);
  if (const auto barrier = connection->read_barrier(); !barrier) throw std::runtime_error(to_string(barrier.failure()));
  const auto node = "node " + std::to_string(index + 1);
  for (std::size_t first = 0; first < acknowledged_.size(); first += read_batch) {
    const auto last = std::min(first + read_batch, acknowledged_.size());
    std::vector<task_id> ids;
    for (std::size_t i = first; i < last; ++i) ids.push_back(acknowledged_[i].id);
    const auto tasks = take(connection->get_tasks(ids, {.with_payload = false, .with_result = false}));
    for (std::size_t i = first; i < last; ++i) {
      const auto& task = tasks[i - first];
      const auto which = "task " + std::to_string(acknowledged_[i].id.value);
      if (!task)
        throw std::runtime_error("LOST: " + node + " on acknowledged " + which + ": " + to_string(task.failure()));
      if (task->spec().idempotency_key() != acknowledged_[i].key)
        throw std::runtime_error("WRONG: " + node + " holds another create as " + which);
    }
  }
  std::uint64_t held = 0;
  for (int state = v1::TaskState_MIN; state <= v1::TaskState_MAX; ++state)
    held += count_in_state(*connection, task_type, static_cast<v1::TaskState>(state));
  if (held != acknowledged_.size())
    throw std::runtime_error("WRONG: " + node + " holds " + std::to_string(held) + " tasks, not the " +
                             std::to_string(acknowledged_.size()) + " that were acknowledged");
}

std::uint64_t steady_writers::stop_and_check() {
  is_over_ = true;
  for (auto& one : threads_) one.finish();
  for (std::size_t index = 0; index < cluster_.size(); ++index) check_node(index);
  return acknowledged_.size();
}

}  // namespace hive::bench
