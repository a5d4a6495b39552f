#include "tests/integration/cluster_load.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>

namespace hive::test {
namespace {

using namespace std::chrono_literals;

constexpr int creators = 2;
constexpr int planners = 2;
constexpr auto end_patience = 120s;
constexpr auto pace = 5ms;                  // between two creates, so that a record of minutes stays small
constexpr std::size_t states_page = 1'000;  // tasks in a call

/// Every step needs one or two of the few before it, and naps: long enough to be under way while a node fails.
v1::PlanDocument random_plan(std::mt19937& random) {
  const auto pick = [&random](int from, int to) { return std::uniform_int_distribution<int>{from, to}(random); };
  const auto name = [](int step) { return "s" + std::to_string(step); };
  v1::PlanDocument document;
  document.set_name("load");
  const int steps = pick(50, 200);
  for (int i = 0; i < steps; ++i) {
    auto task = task_of("nap");
    task.set_payload(std::to_string(pick(0, 100)));
    std::set<std::string> needs;
    for (int k = pick(1, 2); i > 0 && k > 0; --k) needs.insert(name(std::max(0, i - pick(1, 5))));
    add_step(document, name(i), {needs.begin(), needs.end()}, task);
  }
  return document;
}

history::event to_event(const v1::Event& from) {
  history::event made{from.seq(), {}, 0, 0};
  if (from.has_task()) {
    made.name = from.task().name();
    made.task = from.task().task_id();
    made.plan = from.task().plan_id();
  }
  if (from.has_workflow()) {
    made.name = from.workflow().name();
    made.plan = from.workflow().plan_id();
  }
  return made;
}

std::string state_name(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STATE_COMPLETED:
      return "completed";
    case v1::TASK_STATE_FAILED:
      return "failed";
    default:
      return v1::TaskState_Name(state);
  }
}

}  // namespace

cluster_load::cluster_load(cluster& where) : cluster_(where), connection_(where.connect()) {
  subscribe(where.connect(), "the subscriber at the leader");
  subscribe(where.connect_to_any(), "the subscriber at any node");
  for (int i = 0; i < creators; ++i) threads_.emplace_back([this, i] { create_tasks(i); });
  for (int i = 0; i < planners; ++i) threads_.emplace_back([this, i] { execute_plans(i); });
}

cluster_load::~cluster_load() {
  is_over_ = true;
  for (auto& one : threads_) one.join();
  for (auto& one : subscriptions_) one.close();
}

void cluster_load::create_tasks(int number) {
  const auto connection = cluster_.connect();
  for (int i = 0; !is_over_; ++i) {
    auto spec = task_of("noop");
    spec.set_idempotency_key("key-" + std::to_string(number) + "-" + std::to_string(i));
    // The same key until it is acknowledged, as a client would that was told "unavailable".
    while (true) {
      const auto made = connection->create_task(spec);
      if (made) {
        const std::lock_guard lock(mutex_);
        history_.creates.push_back({spec.idempotency_key(), made->id.value});
        break;
      }
      if (is_over_) return;
    }
    eventually([this] { return is_over_.load(); }, pace);
  }
}

std::uint64_t cluster_load::submit(client& connection, const v1::PlanDocument& document, const std::string& key) {
  while (true) {
    const auto made = connection.submit_plan(document, {{}, key});
    if (made) {
      const std::lock_guard lock(mutex_);
      history_.plans.push_back({key, made->plan_id(), static_cast<std::uint32_t>(document.steps_size())});
      return made->plan_id();
    }
    if (is_over_) return 0;
  }
}

void cluster_load::execute_plans(int number) {
  const auto connection = cluster_.connect();
  std::mt19937 random{static_cast<unsigned>(number)};
  for (int i = 0; !is_over_; ++i) {
    const auto id =
        submit(*connection, random_plan(random), "plan-" + std::to_string(number) + "-" + std::to_string(i));
    while (!is_over_) {
      if (!connection->wait_plan(plan_id{id}, 1s)) continue;
      ++plans_ended_;
      break;
    }
  }
}

bool cluster_load::create_large(std::size_t bytes) {
  auto spec = task_of("noop");
  spec.set_payload(std::string(bytes, 'x'));
  spec.set_idempotency_key("large-" + std::to_string(large_++));
  const auto made = connection_->create_task(spec);
  if (!made) return false;
  const std::lock_guard lock(mutex_);
  history_.creates.push_back({spec.idempotency_key(), made->id.value});
  return true;
}

void cluster_load::subscribe(std::shared_ptr<client> connection, const std::string& name) {
  std::size_t index = 0;
  {
    const std::lock_guard lock(mutex_);
    index = history_.subscribers.size();
    history_.subscribers.push_back({name, 0, {}});
  }
  subscribe_options options;
  options.after = event_seq{0};
  auto made = connection->subscribe(options, [this, index](const v1::Event& event) {
    const std::lock_guard lock(mutex_);
    history_.subscribers[index].seen.push_back(to_event(event));
  });
  if (!made) throw std::runtime_error(name + ": " + to_string(made.failure()));
  readers_.push_back(std::move(connection));
  subscriptions_.push_back(std::move(*made));
}

std::size_t cluster_load::acknowledged() {
  const std::lock_guard lock(mutex_);
  return history_.creates.size();
}

bool cluster_load::wait_for_more(std::size_t count, std::chrono::milliseconds limit) {
  const auto wanted = acknowledged() + count;
  return eventually([&] { return acknowledged() >= wanted; }, limit);
}

bool cluster_load::read_states(const std::vector<task_id>& ids) {
  for (std::size_t from = 0; from < ids.size(); from += states_page) {
    const auto to = std::min(ids.size(), from + states_page);
    const auto tasks = connection_->get_tasks(
        {ids.begin() + static_cast<std::ptrdiff_t>(from), ids.begin() + static_cast<std::ptrdiff_t>(to)},
        {false, false});
    if (!tasks) return false;
    for (const auto& one : *tasks) {
      if (one) history_.ends[one->id()] = state_name(one->status().state());
    }
  }
  return true;
}

void cluster_load::wait_for_tasks(std::vector<std::string>& wrong) {
  std::set<std::uint64_t> distinct;
  for (const auto& one : history_.creates) distinct.insert(one.task);
  std::vector<task_id> all;
  for (const auto id : distinct) all.push_back(task_id{id});
  auto pending = all;
  const bool are_done = eventually(
      [&] {
        if (!read_states(pending)) return false;
        std::erase_if(pending, [this](task_id id) { return history_.ends[id.value] == "completed"; });
        return pending.empty();
      },
      end_patience);
  if (!are_done) wrong.push_back(std::to_string(pending.size()) + " acknowledged tasks are not completed");
  // What counts is what the cluster says at the end.
  history_.ends.clear();
  if (!read_states(all)) wrong.emplace_back("the tasks cannot be read");
}

void cluster_load::wait_for_plans(std::vector<std::string>& wrong) {
  const auto deadline = std::chrono::steady_clock::now() + end_patience;
  for (const auto& one : history_.plans) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto waited = connection_->wait_plan(plan_id{one.id}, std::max(left, std::chrono::milliseconds{1s}));
    if (!waited) wrong.push_back("plan " + std::to_string(one.id) + " does not end: " + to_string(waited.failure()));
    const auto now = connection_->get_execution_plan_status(plan_id{one.id}, false);
    if (!now) continue;
    const auto state = now->plan().status().state();
    history_.plan_ends[one.id] = {state == v1::PLAN_STATE_COMPLETED ? "completed" : v1::PlanState_Name(state),
                                  now->plan().status().steps_completed()};
  }
}

std::vector<history::event> cluster_load::read_log(client& connection) {
  std::vector<history::event> log;
  v1::ReadEventsRequest request;
  for (;;) {
    const auto page = connection.read_events(request);
    if (!page) throw std::runtime_error("cannot read the log: " + to_string(page.failure()));
    for (const auto& event : page->events()) log.push_back(to_event(event));
    if (page->cursor() >= page->last_seq()) return log;
    request.set_after_seq(page->cursor());
  }
}

std::vector<std::string> cluster_load::finish() {
  is_over_ = true;
  for (auto& one : threads_) one.join();
  threads_.clear();
  std::vector<std::string> wrong;
  wait_for_tasks(wrong);
  wait_for_plans(wrong);
  cluster_.wait_caught_up(cluster_.running());
  history_.log = read_log(*connection_);
  const auto last = history_.log.empty() ? 0 : history_.log.back().seq;
  for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
    const bool is_at_end = eventually([&] {
      const std::lock_guard lock(mutex_);
      const auto& seen = history_.subscribers[i].seen;
      return !seen.empty() && seen.back().seq >= last;
    });
    if (!is_at_end) wrong.push_back(history_.subscribers[i].name + " does not get to the end of the log");
    subscriptions_[i].close();
  }
  // The workers' heartbeats make no events; should anything else have made some, they were seen by all of them.
  history_.log = read_log(*connection_);
  const auto found = violations(history_);
  wrong.insert(wrong.end(), found.begin(), found.end());
  compare_nodes(wrong);
  return wrong;
}

void cluster_load::compare_nodes(std::vector<std::string>& wrong) {
  for (const std::size_t i : cluster_.running()) {
    const auto at = cluster_.connect_to(i);
    const auto checked = at->check();
    const std::string name = "node " + std::to_string(cluster_.node_id(i));
    if (!checked) {
      wrong.push_back(name + " does not check its tables: " + to_string(checked.failure()));
      continue;
    }
    for (const auto& violation : checked->violations()) wrong.push_back(name + ": " + violation);
    // On a busy machine a leader may be replaced even now.
    std::string refusal;
    const bool is_current = eventually([&] {
      const auto barrier = at->read_barrier();
      if (!barrier) refusal = to_string(barrier.failure());
      return static_cast<bool>(barrier);
    });
    if (!is_current) wrong.push_back(name + " cannot tell that it is up to date: " + refusal);
    auto log = read_log(*at);
    const auto read = log.size();
    log.resize(std::min(log.size(), history_.log.size()));
    const auto differs = std::mismatch(log.begin(), log.end(), history_.log.begin(), history_.log.end());
    if (differs.second == history_.log.end()) continue;
    wrong.push_back(name + " has another log of events: " + std::to_string(read) + " of " +
                    std::to_string(history_.log.size()) + ", first different: " + std::to_string(differs.second->seq) +
                    " " + differs.second->name);
  }
}

}  // namespace hive::test
