#include <catch2/catch.hpp>
#include <cstdlib>
#include <sstream>

#include "core/check.hpp"
#include "core/keys.hpp"
#include "core/machine.hpp"
#include "core/memory_tables.hpp"
#include "tests/core/command_generator.hpp"
#include "tests/core/task_model.hpp"

// Random command sequences against a simple model. After each command: the machine's answer, every task's state,
// reason, attempt and holder, every worker's and plan's state, and the invariants. After each sequence: the same log
// once more, through a machine that is loaded anew now and then, gives the same bytes.
//
// HIVE_PROPERTY_SEQUENCES: sequences a test case (default 25,000). HIVE_PROPERTY_SEED: the first seed; a failure names
// the seed that repeats it with HIVE_PROPERTY_SEQUENCES=1.

using namespace hive;
using namespace hive::core;
using namespace hive::test;

namespace {

// Counts writes, to see that a refused command makes none.
class counting_tables final : public table_transaction {
 public:
  explicit counting_tables(memory_tables& tables) : tables_(tables) {}
  [[nodiscard]] std::optional<std::string_view> get(table where, std::string_view at) const override {
    return tables_.get(where, at);
  }
  void scan(table where, std::string_view from, const scan_visitor& visit) const override {
    tables_.scan(where, from, visit);
  }
  void scan_back(table where, std::string_view before, const scan_visitor& visit) const override {
    tables_.scan_back(where, before, visit);
  }
  [[nodiscard]] std::uint64_t size(table where) const override { return tables_.size(where); }
  void put(table where, std::string_view at, std::string_view value) override {
    ++writes_;
    tables_.put(where, at, value);
  }
  void append(table where, std::string_view at, std::string_view value) override {
    // The promise of append: larger than every key there is.
    tables_.scan_back(where, "", [&](std::string_view last, std::string_view) {
      if (last >= at) is_append_broken_ = true;
      return false;
    });
    put(where, at, value);
  }
  bool erase(table where, std::string_view at) override {
    ++writes_;
    return tables_.erase(where, at);
  }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] bool is_append_broken() const { return is_append_broken_; }

 private:
  memory_tables& tables_;
  std::uint64_t writes_ = 0;
  bool is_append_broken_ = false;
};

core_limits limits_for(bool is_chunked) {
  core_limits limits;
  limits.retention_ms = 60'000;
  limits.event_retention_ms = 100'000;
  limits.plan_upload_ms = 30'000;
  limits.cancel_grace_ms = 1'000;
  limits.backoff_initial_ms = 100;
  limits.backoff_max_ms = 5'000;
  if (!is_chunked) return limits;
  limits.sweep_steps_max = 1;
  limits.release_steps_max = 1;
  limits.purge_batch_max = 1;
  return limits;
}

// One sequence: the machine, the model and what has been applied.
class sequence {
 public:
  explicit sequence(std::uint64_t seed)
      : random_(seed),
        is_chunked_(random_.is_one_in(4)),
        limits_(limits_for(is_chunked_)),
        model_(limits_),
        machine_(limits_) {}

  /// Empty if all went well, else what went wrong, with the log.
  std::string run() {
    command_generator generator{random_, model_, !is_chunked_};
    const auto length = 10 + random_.below(31);
    for (std::uint64_t i = 0; i < length && problem_.empty(); ++i) {
      const auto command = generator.next();
      // In small steps the model, which does all at once, sees only the end of them.
      if (is_chunked_) drain(command.time_unix_ms());
      apply(command);
      if (is_chunked_) drain(command.time_unix_ms());
    }
    if (problem_.empty()) verify_replay();
    return problem_.empty() ? "" : describe();
  }

  [[nodiscard]] std::uint64_t commands() const { return log_.size(); }

 private:
  void apply(const v1::Command& command) {
    if (!problem_.empty()) return;
    log_.push_back(command);
    effects out;
    counting_tables tables{tables_};
    v1::Outcome outcome;
    try {
      outcome = machine_.apply(command, tables, out);
    } catch (const table_error& failure) {
      problem_ = std::string{"the machine threw: "} + failure.what();
      return;
    }
    if (tables.is_append_broken()) return fail("append was called with a key that is not the largest");
    const auto expected = model_.apply(command);
    last_count_ = outcome.count();
    compare_outcome(outcome, expected, out);
    const bool is_refused = !is_ok(outcome.status());
    if (is_refused && (tables.writes() > 0 || !out.events.empty() || !out.assignments.empty())) {
      fail("a refused command left a trace");
    }
    if (!is_chunked_ || is_draining_done_) compare_states();
    machine_.flush(tables_);
    verify_invariants();
  }

  void drain(std::int64_t time) {
    v1::Command tick;
    tick.set_time_unix_ms(time);
    tick.mutable_tick()->set_limit(1000);
    constexpr int ticks_max = 1000;
    is_draining_done_ = false;
    for (int i = 0; i < ticks_max && problem_.empty(); ++i) {
      apply(tick);
      if (last_count_ == 0) break;
      if (i + 1 == ticks_max) fail("ticks never come to an end");
    }
    is_draining_done_ = true;
    if (problem_.empty()) compare_states();
    is_draining_done_ = false;
  }

  void fail(const std::string& text) {
    if (problem_.empty()) problem_ = text;
  }

  void compare_outcome(const v1::Outcome& outcome, const expectation& expected, const effects& out) {
    const auto code = to_error(outcome.status()).code;
    const auto actual_code = is_ok(outcome.status()) ? errc::none : code;
    if (actual_code != expected.code) {
      return fail("answered " + to_string(actual_code) + " (" + outcome.status().message() + "), expected " +
                  to_string(expected.code));
    }
    if (outcome.is_replay() != expected.is_replay) return fail("is_replay is not as expected");
    if (expected.code == errc::none && expected.id != 0 && outcome.id() != expected.id) {
      return fail("answered id " + std::to_string(outcome.id()) + ", expected " + std::to_string(expected.id));
    }
    bool is_same = out.assignments.size() == expected.leased.size();
    for (std::size_t i = 0; is_same && i < expected.leased.size(); ++i) {
      is_same = out.assignments[i].message.task_id() == expected.leased[i].task_id() &&
                out.assignments[i].message.attempt() == expected.leased[i].attempt();
    }
    if (!is_same) fail("leased other tasks than expected");
  }

  void compare_states() {
    compare_tasks();
    if (tables_.size(table::worker) != model_.workers().size()) fail("the number of workers is not as expected");
    for (const auto& [id, worker] : model_.workers()) {
      v1::Worker record;
      const auto value = tables_.get(table::worker, key{}.u64(id));
      const bool is_there = value && record.ParseFromArray(value->data(), static_cast<int>(value->size()));
      if (!is_there || record.state() != worker.state || record.session() != worker.session) {
        fail("worker " + std::to_string(id) + " is not as expected: " + record.ShortDebugString());
      }
    }
    if (tables_.size(table::plan_status) != model_.plans().size()) fail("the number of plans is not as expected");
    for (const auto& [id, plan] : model_.plans()) {
      v1::PlanStatus record;
      const auto value = tables_.get(table::plan_status, key{}.u64(id));
      const bool is_there = value && record.ParseFromArray(value->data(), static_cast<int>(value->size()));
      if (!is_there || record.state() != plan.state) {
        fail("plan " + std::to_string(id) + " should be " + v1::PlanState_Name(plan.state) + ": " +
             record.ShortDebugString());
      }
    }
  }

  void compare_tasks() {
    std::size_t count = 0;
    tables_.scan(table::task_status, "", [&](std::string_view at, std::string_view value) {
      const auto id = read_u64(at, 0);
      v1::TaskStatus status;
      status.ParseFromArray(value.data(), static_cast<int>(value.size()));
      const auto found = model_.tasks().find(id);
      if (found == model_.tasks().end()) {
        // Steps of a staged plan are not tasks yet.
        const auto plan = model_.plans().find(status.plan_id());
        if (plan == model_.plans().end() || !plan->second.is_staged)
          fail("task " + std::to_string(id) + " is too many");
        return true;
      }
      ++count;
      const auto& task = found->second;
      const bool is_held = status.state() == v1::TASK_STATE_LEASED || status.state() == v1::TASK_STATE_RUNNING;
      if (status.state() != task.state || status.reason() != task.reason || status.attempt() != task.attempt ||
          (is_held && status.worker_id() != task.worker) || status.due_unix_ms() != (has_due(task) ? task.due : 0)) {
        fail("task " + std::to_string(id) + " should be " + v1::TaskState_Name(task.state) + " " +
             v1::Reason_Name(task.reason) + " attempt " + std::to_string(task.attempt) + " worker " +
             std::to_string(task.worker) + " due " + std::to_string(task.due) + ", but is " +
             status.ShortDebugString());
      }
      return true;
    });
    if (count != model_.tasks().size()) fail("tasks are missing");
  }

  static bool has_due(const model_task& task) {
    return task.state == v1::TASK_STATE_SCHEDULED || task.is_cancel_requested;
  }

  void verify_invariants() {
    if (!problem_.empty()) return;
    const auto found = check(tables_);
    for (const auto& violation : found.violations()) fail("invariant: " + violation);
  }

  void verify_replay() {
    memory_tables again;
    machine other{limits_};
    effects out;
    for (std::size_t i = 0; i < log_.size(); ++i) {
      out.clear();
      other.apply(log_[i], again, out);
      if (i % 7 != 3) continue;
      other.flush(again);
      machine reloaded{limits_};
      if (!reloaded.load(again)) return fail("the tables cannot be loaded");
      other = std::move(reloaded);
    }
    other.flush(again);
    if (!(again == tables_)) fail("the same log gave other tables");
  }

  [[nodiscard]] std::string describe() const {
    std::ostringstream text;
    text << problem_ << (is_chunked_ ? " [in small steps]" : "") << "\nlog:\n";
    for (std::size_t i = 0; i < log_.size(); ++i) text << i << ": " << log_[i].ShortDebugString() << '\n';
    return text.str();
  }

  random_source random_;
  bool is_chunked_;
  core_limits limits_;
  task_model model_;
  machine machine_;
  memory_tables tables_;
  std::vector<v1::Command> log_;
  std::string problem_;
  std::uint32_t last_count_ = 0;
  bool is_draining_done_ = false;
};

// The sanitized build sets a smaller number: the same sequences, from the same seeds, only fewer.
#ifndef HIVE_PROPERTY_SEQUENCES_DEFAULT
#define HIVE_PROPERTY_SEQUENCES_DEFAULT 25'000
#endif

std::uint64_t setting(const char* name, std::uint64_t standard) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? standard : std::strtoull(text, nullptr, 10);
}

void run_sequences(std::uint64_t part) {
  const auto count = setting("HIVE_PROPERTY_SEQUENCES", HIVE_PROPERTY_SEQUENCES_DEFAULT);
  const auto first = setting("HIVE_PROPERTY_SEED", 1 + part * 1'000'000'000);
  std::uint64_t commands = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    sequence one{seed};
    const auto problem = one.run();
    commands += one.commands();
    if (problem.empty()) continue;
    FAIL("HIVE_PROPERTY_SEED=" << seed << " HIVE_PROPERTY_SEQUENCES=1: " << problem);
  }
  SUCCEED(count << " sequences, " << commands << " commands");
}

}  // namespace

TEST_CASE("random commands do what the model says, part 1 of 4") { run_sequences(0); }
TEST_CASE("random commands do what the model says, part 2 of 4") { run_sequences(1); }
TEST_CASE("random commands do what the model says, part 3 of 4") { run_sequences(2); }
TEST_CASE("random commands do what the model says, part 4 of 4") { run_sequences(3); }
