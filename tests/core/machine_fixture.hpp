#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/keys.hpp"
#include "core/machine.hpp"
#include "core/memory_tables.hpp"

namespace hive::core {

/// A machine over tables in memory, with a clock that the test turns by hand. Keeps the log.
class machine_fixture {
 public:
  explicit machine_fixture(core_limits limits = {}) : limits_(limits), rules(limits) {
    REQUIRE(rules.load(tables).has_value());
  }

  v1::Outcome apply(v1::Command command) {
    command.set_time_unix_ms(now);
    log.push_back(command);
    out.clear();
    return rules.apply(command, tables, out);
  }

  // ---- commands ----

  static v1::TaskSpec spec(const std::string& type = "analysis", std::int32_t priority = 0) {
    v1::TaskSpec spec;
    spec.set_type(type);
    spec.set_priority(priority);
    return spec;
  }
  v1::Outcome create(const v1::TaskSpec& spec) {
    v1::Command command;
    *command.mutable_create_task()->mutable_spec() = spec;
    return apply(std::move(command));
  }
  std::uint64_t created(const v1::TaskSpec& spec) {
    const auto outcome = create(spec);
    REQUIRE(is_ok(outcome.status()));
    return outcome.id();
  }
  std::uint64_t created() { return created(spec()); }

  static v1::WorkerSpec worker_spec(const std::string& name, std::uint64_t incarnation = 1) {
    v1::WorkerSpec spec;
    spec.set_name(name);
    spec.set_slots(4);
    spec.set_incarnation(incarnation);
    return spec;
  }
  v1::Outcome register_worker(const v1::WorkerSpec& spec,
                              const std::vector<std::pair<std::uint64_t, std::uint32_t>>& running = {}) {
    v1::Command command;
    auto& body = *command.mutable_register_worker();
    *body.mutable_spec() = spec;
    for (const auto& [task, attempt_number] : running) {
      auto& entry = *body.add_running();
      entry.set_task_id(task);
      entry.set_attempt(attempt_number);
    }
    return apply(std::move(command));
  }
  v1::Worker registered(const std::string& name = "w") {
    const auto outcome = register_worker(worker_spec(name));
    REQUIRE(is_ok(outcome.status()));
    return outcome.worker();
  }
  v1::Outcome offer(const v1::Worker& worker, std::uint32_t slots = 1) {
    v1::Command command;
    command.mutable_offer_slots()->set_worker_id(worker.id());
    command.mutable_offer_slots()->set_session(worker.session());
    command.mutable_offer_slots()->set_slots(slots);
    return apply(std::move(command));
  }
  /// Ids of the tasks leased by one offer, in order.
  std::vector<std::uint64_t> leased(const v1::Worker& worker, std::uint32_t slots = 1) {
    REQUIRE(is_ok(offer(worker, slots).status()));
    std::vector<std::uint64_t> ids;
    for (const auto& made : out.assignments) ids.push_back(made.message.task_id());
    return ids;
  }
  v1::Outcome end_worker(const v1::Worker& worker, bool is_lost) {
    v1::Command command;
    command.mutable_end_worker()->set_worker_id(worker.id());
    command.mutable_end_worker()->set_is_lost(is_lost);
    return apply(std::move(command));
  }
  v1::Outcome drain(const v1::Worker& worker, bool undrain = false) {
    v1::Command command;
    command.mutable_drain_worker()->set_worker_id(worker.id());
    command.mutable_drain_worker()->set_undrain(undrain);
    return apply(std::move(command));
  }

  static v1::TaskReport report(std::uint64_t task, std::uint32_t attempt_number) {
    v1::TaskReport report;
    report.set_task_id(task);
    report.set_attempt(attempt_number);
    return report;
  }
  v1::Outcome say(const v1::Worker& worker, const v1::TaskReport& report) {
    v1::Command command;
    *command.mutable_report() = report;
    command.set_reporting_worker_id(worker.id());
    return apply(std::move(command));
  }
  v1::Outcome start(const v1::Worker& worker, std::uint64_t task, std::uint32_t attempt_number = 1) {
    auto said = report(task, attempt_number);
    said.mutable_started();
    return say(worker, said);
  }
  v1::Outcome complete(const v1::Worker& worker, std::uint64_t task, std::uint32_t attempt_number = 1) {
    auto said = report(task, attempt_number);
    said.mutable_completed()->set_result("42");
    return say(worker, said);
  }
  v1::Outcome fail(const v1::Worker& worker, std::uint64_t task, std::uint32_t attempt_number, bool is_retryable) {
    auto said = report(task, attempt_number);
    said.mutable_failed()->set_message("boom");
    said.mutable_failed()->set_is_retryable(is_retryable);
    return say(worker, said);
  }
  v1::Outcome confirm_cancel(const v1::Worker& worker, std::uint64_t task, std::uint32_t attempt_number = 1) {
    auto said = report(task, attempt_number);
    said.mutable_canceled();
    return say(worker, said);
  }
  v1::Outcome cancel(std::uint64_t task, std::int64_t grace_ms = 0) {
    v1::Command command;
    command.mutable_cancel_task()->set_task_id(task);
    command.mutable_cancel_task()->set_grace_ms(grace_ms);
    return apply(std::move(command));
  }
  v1::Outcome retry(std::uint64_t task) {
    v1::Command command;
    command.mutable_retry_task()->set_task_id(task);
    return apply(std::move(command));
  }
  v1::Outcome purge(std::uint64_t task) {
    v1::Command command;
    command.mutable_purge_task()->set_task_id(task);
    return apply(std::move(command));
  }
  v1::Outcome update(std::uint64_t task, v1::TaskState state, std::uint32_t attempt_number = 0) {
    v1::Command command;
    command.mutable_update_task_status()->set_task_id(task);
    command.mutable_update_task_status()->set_state(state);
    command.mutable_update_task_status()->set_attempt(attempt_number);
    return apply(std::move(command));
  }
  v1::Outcome tick(std::uint32_t limit = 1000) {
    v1::Command command;
    command.mutable_tick()->set_limit(limit);
    return apply(std::move(command));
  }
  v1::Outcome publish(const std::string& name, const std::string& data = {}) {
    v1::Command command;
    command.mutable_publish_event()->mutable_task()->set_name(name);
    command.mutable_publish_event()->mutable_task()->set_data(data);
    return apply(std::move(command));
  }

  // ---- what is there ----

  [[nodiscard]] v1::TaskStatus status(std::uint64_t task) const {
    const auto bytes = tables.get(table::task_status, key{}.u64(task));
    REQUIRE(bytes.has_value());
    v1::TaskStatus status;
    REQUIRE(status.ParseFromString(std::string{*bytes}));
    return status;
  }
  [[nodiscard]] bool has_task(std::uint64_t task) const {
    return tables.get(table::task_status, key{}.u64(task)).has_value();
  }
  /// Names of the events of the last command, in order.
  [[nodiscard]] std::vector<std::string> event_names() const {
    std::vector<std::string> names;
    for (const auto& event : out.events) {
      names.push_back(event.has_task()     ? event.task().name()
                      : event.has_worker() ? event.worker().name()
                                           : event.workflow().name());
    }
    return names;
  }
  [[nodiscard]] std::int64_t counter(const std::string& name) const {
    const auto bytes = tables.get(table::counter, name);
    return bytes ? static_cast<std::int64_t>(read_u64(*bytes, 0)) : 0;
  }
  /// "t" | state | type, flushed.
  std::int64_t count(v1::TaskState state, const std::string& type = "analysis") {
    rules.flush(tables);
    return counter("t" + std::string(1, static_cast<char>(state)) + type);
  }

 private:
  core_limits limits_;

 public:
  std::int64_t now = 1'000'000;
  memory_tables tables;
  machine rules;
  effects out;
  std::vector<v1::Command> log;
};

}  // namespace hive::core
