#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "core/keys.hpp"
#include "core/machine.hpp"
#include "core/memory_tables.hpp"
#include "core/plan_validator.hpp"

namespace hive::core {

/// Passes everything on to tables in memory and counts it, an entry that a scan visits as one read.
class counting_tables final : public table_transaction {
 public:
  [[nodiscard]] std::optional<std::string_view> get(table where, std::string_view key) const override {
    ++reads;
    return inner.get(where, key);
  }
  void scan(table where, std::string_view from, const scan_visitor& visit) const override {
    ++reads;
    inner.scan(where, from, [&](std::string_view key, std::string_view value) { return ++reads, visit(key, value); });
  }
  void scan_back(table where, std::string_view before, const scan_visitor& visit) const override {
    ++reads;
    inner.scan_back(where, before,
                    [&](std::string_view key, std::string_view value) { return ++reads, visit(key, value); });
  }
  [[nodiscard]] std::uint64_t size(table where) const override { return inner.size(where); }
  void put(table where, std::string_view key, std::string_view value) override {
    ++writes;
    bytes += value.size();
    inner.put(where, key, value);
  }
  bool erase(table where, std::string_view key) override {
    ++writes;
    return inner.erase(where, key);
  }
  void reset() { reads = writes = bytes = 0; }

  memory_tables inner;
  mutable std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t bytes = 0;
};

/// A machine with one worker and a clock turned by hand, for scenarios of one plan at a time. Steps go by
/// their names. The tables are checked after every command unless is_checking is switched off.
class plan_fixture {
 public:
  explicit plan_fixture(core_limits limits = {}) : rules(limits) {
    REQUIRE(rules.load(tables));
    v1::Command command;
    command.mutable_register_worker()->mutable_spec()->set_name("w");
    command.mutable_register_worker()->mutable_spec()->set_slots(4096);
    worker = applied(std::move(command)).worker();
  }

  v1::Outcome apply(v1::Command command) {
    command.set_time_unix_ms(now);
    out.clear();
    const v1::Outcome outcome = rules.apply(command, tables, out);
    for (const auto& event : out.events) events.push_back(event);
    if (is_checking) expect_consistent();
    return outcome;
  }
  v1::Outcome applied(v1::Command command) {
    const v1::Outcome outcome = apply(std::move(command));
    INFO(outcome.status().message());
    REQUIRE(is_ok(outcome.status()));
    return outcome;
  }
  void expect_consistent() {
    rules.flush(tables);
#if HIVE_HAS_CHECK  // set by CMake if the tree has the checker's rules; without it the scenarios still run
    const v1::CheckResponse found = check(tables.inner);
    for (const auto& violation : found.violations()) FAIL_CHECK(violation);
#endif
  }

  // ---- documents ----

  struct step {
    std::string name;
    std::vector<std::string> needs = {};
  };
  static v1::PlanDocument document(const std::vector<step>& steps,
                                   v1::FailurePolicy policy = v1::FAILURE_POLICY_UNSPECIFIED) {
    v1::PlanDocument made;
    made.set_name("p");
    made.set_failure_policy(policy);
    for (const auto& [name, needs] : steps) {
      auto* added = made.add_steps();
      added->set_name(name);
      added->mutable_task()->set_type("t");
      added->mutable_task()->mutable_retry()->set_max_attempts(1);
      for (const auto& need : needs) added->add_needs(need);
    }
    return made;
  }
  static std::vector<step> diamond() { return {{"a"}, {"b", {"a"}}, {"c", {"a"}}, {"d", {"b", "c"}}}; }
  static std::vector<step> fork_join(int width) {
    std::vector<step> steps{{"fork"}};
    step join{"join"};
    for (int i = 0; i < width; ++i) {
      steps.push_back({"s" + std::to_string(i), {"fork"}});
      join.needs.push_back(steps.back().name);
    }
    steps.push_back(std::move(join));
    return steps;
  }
  static std::vector<step> chain(int length) {
    std::vector<step> steps{{"s0"}};
    for (int i = 1; i < length; ++i) steps.push_back({"s" + std::to_string(i), {"s" + std::to_string(i - 1)}});
    return steps;
  }

  // ---- plan commands ----

  static v1::Command create_command(v1::PlanDocument made, std::uint64_t parent = 0, const std::string& key_name = {}) {
    v1::Command command;
    auto& create = *command.mutable_create_plan();
    v1::PlanDocument head = made;
    head.clear_steps();
    auto checked = validate_plan(std::move(made), {});
    REQUIRE(checked);
    create.mutable_begin()->set_step_count(static_cast<std::uint32_t>(checked->steps.size()));
    create.mutable_begin()->set_edge_count(checked->edge_count);
    create.mutable_begin()->set_parent_task_id(parent);
    create.mutable_begin()->set_idempotency_key(key_name);
    *create.mutable_begin()->mutable_document() = std::move(head);
    for (auto& planned : checked->steps) *create.add_steps() = std::move(planned);
    return command;
  }
  std::uint64_t create(v1::PlanDocument made, std::uint64_t parent = 0, const std::string& key_name = {}) {
    return adopt(applied(create_command(std::move(made), parent, key_name)));
  }
  /// Further calls by step name mean the plan of this outcome.
  std::uint64_t adopt(const v1::Outcome& outcome) {
    plan = outcome.id();
    const v1::PlanSpec spec = this->spec();
    ids.clear();
    for (std::uint32_t i = 0; i < spec.step_count(); ++i) {
      const auto row = tables.inner.get(table::plan_step, key{}.u64(plan).u32(i));
      if (!row) break;
      v1::PlanStep made;
      REQUIRE(made.ParseFromString(std::string{*row}));
      ids[made.name()] = spec.first_step_task_id() + i;
    }
    return plan;
  }
  v1::Outcome begin(const v1::Command& create) {
    v1::Command command;
    *command.mutable_begin_plan() = create.create_plan().begin();
    return apply(std::move(command));
  }
  v1::Outcome append(const v1::Command& create, std::uint64_t to, int first, int count) {
    v1::Command command;
    command.mutable_append_steps()->set_plan_id(to);
    command.mutable_append_steps()->set_first_index(static_cast<std::uint32_t>(first));
    for (int i = first; i < first + count; ++i) {
      *command.mutable_append_steps()->add_steps() = create.create_plan().steps(i);
    }
    return apply(std::move(command));
  }
  v1::Outcome commit(std::uint64_t to) {
    v1::Command command;
    command.mutable_commit_plan()->set_plan_id(to);
    return apply(std::move(command));
  }
  v1::Outcome drop(std::uint64_t to) {
    v1::Command command;
    command.mutable_drop_plan()->set_plan_id(to);
    return apply(std::move(command));
  }
  v1::Outcome control(v1::ControlPlan::Action action) {
    v1::Command command;
    command.mutable_control_plan()->set_plan_id(plan);
    command.mutable_control_plan()->set_action(action);
    return apply(std::move(command));
  }
  v1::Outcome pause() { return control(v1::ControlPlan::ACTION_PAUSE); }
  v1::Outcome resume() { return control(v1::ControlPlan::ACTION_RESUME); }
  v1::Outcome cancel() { return control(v1::ControlPlan::ACTION_CANCEL); }
  v1::Outcome retry() { return control(v1::ControlPlan::ACTION_RETRY); }

  // ---- steps ----

  /// Leases up to `slots` tasks to the worker and says that they started; their step names, in order.
  std::vector<std::string> lease(std::uint32_t slots = 4096) {
    v1::Command command;
    command.mutable_offer_slots()->set_worker_id(worker.id());
    command.mutable_offer_slots()->set_session(worker.session());
    command.mutable_offer_slots()->set_slots(slots);
    applied(std::move(command));
    std::vector<std::string> names;
    assignments.clear();
    for (const auto& made : out.assignments) {
      assignments[made.message.step_name()] = made.message;
      names.push_back(made.message.step_name());
    }
    return names;
  }
  v1::TaskReport report(const std::string& name) {
    v1::TaskReport made;
    made.set_task_id(ids.at(name));
    made.set_attempt(status(name).attempt());
    return made;
  }
  v1::Outcome say(v1::TaskReport what) {
    v1::Command command;
    *command.mutable_report() = std::move(what);
    command.set_reporting_worker_id(worker.id());
    return applied(std::move(command));
  }
  void start(const std::string& name) {
    auto said = report(name);
    said.mutable_started();
    say(said);
  }
  void complete(const std::string& name, const std::string& result = "1") {
    auto said = report(name);
    said.mutable_completed()->set_result(result);
    say(said);
  }
  void fail(const std::string& name, bool is_retryable = false) {
    auto said = report(name);
    said.mutable_failed()->set_message("boom");
    said.mutable_failed()->set_is_retryable(is_retryable);
    say(said);
  }
  void confirm_cancel(const std::string& name) {
    auto said = report(name);
    said.mutable_canceled();
    say(said);
  }
  v1::Outcome cancel_step(const std::string& name) {
    v1::Command command;
    command.mutable_cancel_task()->set_task_id(ids.at(name));
    return apply(std::move(command));
  }
  v1::Outcome retry_step(const std::string& name) {
    v1::Command command;
    command.mutable_retry_task()->set_task_id(ids.at(name));
    return apply(std::move(command));
  }
  v1::Outcome purge() {
    v1::Command command;
    command.mutable_purge_task()->set_task_id(plan);
    return apply(std::move(command));
  }
  /// Leases and completes until nothing is ready; the steps in the order of their leases.
  std::vector<std::string> run_all() {
    std::vector<std::string> order;
    for (;;) {
      tick_all();
      const auto names = lease();
      if (names.empty()) return order;
      for (const auto& name : names) {
        complete(name);
        order.push_back(name);
      }
    }
  }
  void tick() {
    v1::Command command;
    command.mutable_tick()->set_limit(1000);
    applied(std::move(command));
  }
  /// Everything that is due now, and what that makes due now. Returns the ticks.
  int tick_all() {
    int ticks = 0;
    for (auto due = rules.next_due_unix_ms(tables); due >= 0 && due <= now; due = rules.next_due_unix_ms(tables)) {
      tick();
      REQUIRE(++ticks < 100'000);
    }
    return ticks;
  }

  // ---- what is there ----

  [[nodiscard]] v1::TaskStatus task(std::uint64_t id) const {
    const auto row = tables.inner.get(table::task_status, key{}.u64(id));
    REQUIRE(row);
    v1::TaskStatus made;
    REQUIRE(made.ParseFromString(std::string{*row}));
    return made;
  }
  [[nodiscard]] v1::TaskStatus status(const std::string& name) const { return task(ids.at(name)); }
  [[nodiscard]] v1::TaskState state(const std::string& name) const { return status(name).state(); }
  [[nodiscard]] v1::PlanStatus plan_status() const {
    const auto row = tables.inner.get(table::plan_status, key{}.u64(plan));
    REQUIRE(row);
    v1::PlanStatus made;
    REQUIRE(made.ParseFromString(std::string{*row}));
    return made;
  }
  [[nodiscard]] v1::PlanSpec spec() const {
    const auto row = tables.inner.get(table::plan, key{}.u64(plan));
    REQUIRE(row);
    v1::PlanSpec made;
    REQUIRE(made.ParseFromString(std::string{*row}));
    return made;
  }
  [[nodiscard]] v1::PlanState plan_state() const { return plan_status().state(); }
  /// Names of the events so far that concern plans, in order.
  [[nodiscard]] std::vector<std::string> plan_events() const {
    std::vector<std::string> names;
    for (const auto& event : events) {
      if (event.has_workflow()) names.push_back(event.workflow().name());
    }
    return names;
  }
  /// Rows in all tables but those that only grow: events, meta, counters, signatures.
  [[nodiscard]] std::uint64_t rows() const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < table_count; ++i) {
      const auto where = static_cast<table>(i);
      if (where == table::event || where == table::meta || where == table::counter || where == table::signature ||
          where == table::timer) {
        continue;
      }
      count += tables.size(where);
    }
    return count;
  }

  std::int64_t now = 1'000'000;
  counting_tables tables;
  machine rules;
  effects out;
  v1::Worker worker;
  std::vector<v1::Event> events;
  std::uint64_t plan = 0;
  std::map<std::string, std::uint64_t> ids;               // step name -> task
  std::map<std::string, v1::TaskAssignment> assignments;  // of the last lease
  bool is_checking = true;
};

}  // namespace hive::core
