#include "tests/integration/cluster_load.hpp"

#include <algorithm>
#include <stdexcept>

namespace hive::test {
namespace {

using namespace std::chrono_literals;

constexpr int creators = 2;
constexpr int chain_length = 40;
constexpr auto patience = 60s;

/// Long enough to be under way while a node fails.
v1::PlanDocument chain() {
  v1::PlanDocument document;
  document.set_name("chain");
  std::string before;
  for (int i = 0; i < chain_length; ++i) {
    auto task = task_of("nap");
    task.set_payload("50");
    const std::string name = "s" + std::to_string(i);
    add_step(document, name, before.empty() ? std::vector<std::string>{} : std::vector<std::string>{before}, task);
    before = name;
  }
  return document;
}

history::event to_event(const v1::Event& from) {
  history::event made{from.seq(), {}, 0};
  if (from.has_task()) {
    made.name = from.task().name();
    made.task = from.task().task_id();
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
  const auto plan = connection_->submit_plan(chain());
  if (!plan) throw std::runtime_error("no plan: " + to_string(plan.failure()));
  plan_ = plan->plan_id();
  for (int i = 0; i < creators; ++i) threads_.emplace_back([this, i] { create_tasks(i); });
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
  }
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

void cluster_load::read_states() {
  std::vector<task_id> ids;
  {
    const std::lock_guard lock(mutex_);
    std::set<std::uint64_t> distinct;
    for (const auto& one : history_.creates) distinct.insert(one.task);
    for (const auto id : distinct) ids.push_back(task_id{id});
  }
  const auto tasks = connection_->get_tasks(ids, {false, false});
  if (!tasks) return;
  history_.ends.clear();
  for (const auto& one : *tasks) {
    if (one) history_.ends[one->id()] = state_name(one->status().state());
  }
}

void cluster_load::wait_for_tasks(std::vector<std::string>& wrong) {
  const bool are_done = eventually(
      [this] {
        read_states();
        return std::all_of(history_.ends.begin(), history_.ends.end(),
                           [](const auto& one) { return one.second == "completed"; });
      },
      patience);
  if (!are_done) wrong.emplace_back("not all tasks are completed");
  const auto plan = connection_->wait_plan(plan_id{plan_}, patience);
  if (!plan) {
    wrong.push_back("the plan does not end: " + to_string(plan.failure()));
  } else if (plan->status().state() != v1::PLAN_STATE_COMPLETED ||
             plan->status().steps_completed() != static_cast<std::uint32_t>(chain_length)) {
    wrong.emplace_back("the plan has ended, but is not completed");
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
  for (const std::size_t i : cluster_.running()) {
    const auto at = cluster_.connect_to(i);
    const auto checked = at->check();
    const std::string name = "node " + std::to_string(cluster_.node_id(i));
    if (!checked) {
      wrong.push_back(name + " does not check its tables: " + to_string(checked.failure()));
      continue;
    }
    for (const auto& violation : checked->violations()) wrong.push_back(name + ": " + violation);
    if (const auto barrier = at->read_barrier(); !barrier) wrong.push_back(name + ": " + to_string(barrier.failure()));
    auto log = read_log(*at);
    const auto read = log.size();
    log.resize(std::min(log.size(), history_.log.size()));
    const auto differs = std::mismatch(log.begin(), log.end(), history_.log.begin(), history_.log.end());
    if (differs.second == history_.log.end()) continue;
    wrong.push_back(name + " has another log of events: " + std::to_string(read) + " of " +
                    std::to_string(history_.log.size()) + ", first different: " + std::to_string(differs.second->seq) +
                    " " + differs.second->name);
  }
  return wrong;
}

}  // namespace hive::test
