#include <algorithm>
#include <queue>

#include "core/plan_rules.hpp"
#include "core/rules.hpp"

namespace hive::core {
namespace {

/// A row of table::ready without its signature; sorts as dispatch goes.
struct candidate {
  std::uint32_t inverted_priority = 0;
  std::uint64_t task = 0;
  friend auto operator<=>(const candidate&,
                          const candidate&) = default;  // NOLINT(modernize-use-nullptr): a false alarm
};

/// The ready rows of one signature, read ahead in small runs.
class ready_source {
 public:
  ready_source(const table_reader& tables, std::uint32_t signature, std::size_t run_length)
      : tables_(&tables), signature_(signature), run_length_(run_length) {
    read_on(key{}.u32(signature));
  }

  [[nodiscard]] bool is_empty() const { return next_ == rows_.size(); }
  [[nodiscard]] const candidate& front() const { return rows_[next_]; }
  void pop() {
    const candidate last = rows_[next_++];
    if (next_ < rows_.size() || rows_.size() < run_length_) return;
    read_on(key{}.u32(signature_).u32(last.inverted_priority).u64(last.task).u8(0));
  }

 private:
  void read_on(std::string_view from) {
    rows_.clear();
    next_ = 0;
    tables_->scan(table::ready, from, [this](std::string_view at, std::string_view) {
      if (read_u32(at, 0) != signature_) return false;
      rows_.push_back({read_u32(at, 4), read_u64(at, 8)});
      return rows_.size() < run_length_;
    });
  }

  const table_reader* tables_;
  std::uint32_t signature_;
  std::size_t run_length_;
  std::vector<candidate> rows_;
  std::size_t next_ = 0;
};

/// The best ready tasks of a worker over all its signatures: priority first, then id.
class ready_merge {
 public:
  ready_merge(const context& on, const worker_entry& worker, std::size_t wanted) {
    std::vector<std::uint32_t> signatures;
    for (const std::uint32_t id : worker.signatures) {
      if (on.state.signatures.at(id).ready->value > 0) signatures.push_back(id);
    }
    constexpr std::size_t run_length_min = 4;
    const std::size_t run_length = signatures.size() == 1 ? wanted : std::min(wanted, run_length_min);
    sources_.reserve(signatures.size());
    for (const std::uint32_t id : signatures) {
      sources_.emplace_back(on.tables, id, run_length);
      add_head(sources_.size() - 1);
    }
  }

  std::optional<task_id> next() {
    if (heads_.empty()) return std::nullopt;
    const auto [best, source] = heads_.top();
    heads_.pop();
    sources_[source].pop();
    add_head(source);
    return task_id{best.task};
  }

 private:
  using head = std::pair<candidate, std::size_t>;

  void add_head(std::size_t source) {
    if (!sources_[source].is_empty()) heads_.emplace(sources_[source].front(), source);
  }

  std::vector<ready_source> sources_;
  std::priority_queue<head, std::vector<head>, std::greater<>> heads_;
};

void lease(context& on, task_id id, v1::TaskStatus& status, const v1::Worker& worker) {
  assignment& made = on.out.assignments.emplace_back();
  made.worker = worker_id{worker.id()};
  v1::TaskAssignment& message = made.message;
  if (!read_message(on.tables, table::task_spec, key{}.u64(id.value), *message.mutable_spec())) {
    throw table_error(errc::data_loss, to_string(id) + " has no spec");
  }
  take_lease(on, id, status, made.worker, v1::TASK_STATE_LEASED, v1::REASON_ASSIGNED);
  message.set_task_id(id.value);
  message.set_attempt(status.attempt());
  message.set_session(worker.session());
  if (status.has_timeouts()) message.set_run_deadline_unix_ms(arm_run_timeout(on, id, status, message.spec()));
  emit_task(on, "task.leased", id, status, {.wait_ms = on.now - status.queued_unix_ms()});
  if (status.plan_id() != 0) fill_step_inputs(on, id, status, message);
}

}  // namespace

std::int64_t arm_run_timeout(context& on, task_id id, const v1::TaskStatus& status, const v1::TaskSpec& spec) {
  const std::int64_t run_ms = spec.timeouts().run_ms();
  if (run_ms <= 0) return 0;
  const std::int64_t due = due_after(status.leased_unix_ms(), run_ms);
  arm_timer(on, due, timer_kind::run_timeout, id.value);
  return due;
}

v1::Outcome apply_offer_slots(context& on, const v1::OfferSlots& command) {
  const worker_id id{command.worker_id()};
  const auto found = on.state.workers.find(id.value);
  if (found == on.state.workers.end()) {
    return refuse(errc::failed_precondition, to_string(id) + " is not registered now", "worker_id");
  }
  const v1::Worker& worker = found->second.record;
  if (worker.state() != v1::WORKER_STATE_ACTIVE) {
    return refuse(errc::failed_precondition, to_string(id) + " is draining", "worker_id");
  }
  if (worker.session() != command.session()) {
    return refuse(errc::failed_precondition,
                  to_string(id) + " is in session " + std::to_string(worker.session()) + ", not " +
                      std::to_string(command.session()),
                  "session");
  }
  v1::Outcome outcome;
  outcome.set_id(id.value);
  const std::uint32_t slots = std::min(command.slots(), on.state.limits.slots_max);
  if (slots == 0) return outcome;
  ready_merge ready(on, found->second, slots);
  // Steps that their plan holds back are moved away at once, but only so many in one command.
  std::uint32_t held_back_left = on.state.limits.sweep_steps_max;
  while (outcome.count() < slots && held_back_left > 0) {
    const auto task = ready.next();
    if (!task) break;
    auto status = load_status(on, *task);
    // Holding one step back may have moved others that were read ahead.
    if (!status || status->state() != v1::TASK_STATE_QUEUED) continue;
    if (status->plan_id() != 0 && !admit_step(on, *task, *status)) {
      --held_back_left;
      continue;
    }
    lease(on, *task, *status, worker);
    outcome.set_count(outcome.count() + 1);
  }
  return outcome;
}

}  // namespace hive::core
