// The rules, on tables in memory: what a command costs without disk and network.
#include <benchmark/benchmark.h>

#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/errc.hpp"
#include "core/machine.hpp"
#include "core/memory_tables.hpp"
#include "core/plan_validator.hpp"

namespace hive::core {
namespace {

constexpr std::uint32_t batch = 64;
constexpr std::uint32_t slots_max = 4096;

// A machine with one worker that takes every type.
class world {
 public:
  world() {
    if (!rules.load(tables)) throw std::runtime_error("the machine does not load");
    v1::Command command;
    command.mutable_register_worker()->mutable_spec()->set_name("w");
    command.mutable_register_worker()->mutable_spec()->set_slots(slots_max);
    worker = apply(std::move(command)).worker();
  }

  v1::Outcome apply(v1::Command command) {
    command.set_time_unix_ms(1'000'000);
    out.clear();
    auto outcome = rules.apply(command, tables, out);
    if (!is_ok(outcome.status())) throw std::runtime_error(outcome.status().message());
    return outcome;
  }

  static v1::Command creation(const std::string& type) {
    v1::Command command;
    auto& spec = *command.mutable_create_task()->mutable_spec();
    spec.set_type(type);
    spec.set_title(type);
    spec.set_payload(std::string(150, 'x'));
    return command;
  }
  void create(std::uint32_t count, const std::string& type = "noop") {
    for (std::uint32_t i = 0; i < count; ++i) apply(creation(type));
  }
  void offer(std::uint32_t slots) {
    v1::Command command;
    command.mutable_offer_slots()->set_worker_id(worker.id());
    command.mutable_offer_slots()->set_session(worker.session());
    command.mutable_offer_slots()->set_slots(slots);
    apply(std::move(command));
    for (const auto& made : out.assignments) leased.emplace_back(made.message.task_id(), made.message.attempt());
  }
  void complete_one() {
    v1::Command command;
    command.mutable_report()->set_task_id(leased.front().first);
    command.mutable_report()->set_attempt(leased.front().second);
    command.mutable_report()->mutable_completed();
    command.set_reporting_worker_id(worker.id());
    leased.pop_front();
    apply(std::move(command));
  }
  void complete_all() {
    while (!leased.empty()) complete_one();
  }
  void tick_all() {
    for (auto due = rules.next_due_unix_ms(tables); due >= 0 && due <= 1'000'000;
         due = rules.next_due_unix_ms(tables)) {
      v1::Command command;
      command.mutable_tick()->set_limit(1000);
      apply(std::move(command));
    }
  }

  memory_tables tables;
  machine rules;
  effects out;
  v1::Worker worker;
  std::deque<std::pair<std::uint64_t, std::uint32_t>> leased;
};

void core_create(benchmark::State& state) {
  world on;
  const auto command = world::creation("noop");
  for ([[maybe_unused]] auto _ : state) on.apply(command);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(core_create)->Iterations(50'000);

void core_lease(benchmark::State& state) {
  world on;
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    on.complete_all();
    on.create(batch);
    state.ResumeTiming();
    on.offer(batch);
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(core_lease)->Iterations(1'000);

void core_complete(benchmark::State& state) {
  world on;
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    on.create(batch);
    on.offer(batch);
    state.ResumeTiming();
    on.complete_all();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(core_complete)->Iterations(1'000);

// One slot is offered while tasks of so many signatures wait.
void ready_index_offer(benchmark::State& state) {
  world on;
  const auto signatures = static_cast<std::uint32_t>(state.range(0));
  const auto rounds = 1'000 / signatures + 1;
  for (std::uint32_t i = 0; i < signatures; ++i) on.create(rounds, "type-" + std::to_string(i));
  for ([[maybe_unused]] auto _ : state) {
    on.offer(1);
    state.PauseTiming();
    on.complete_all();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ready_index_offer)->Arg(1)->Arg(100)->Arg(1'000)->Iterations(1'000);

// One of so many steps that one join needs completes: the join's counter of unmet needs and the plan's counts change.
void plan_counters_fan_in(benchmark::State& state) {
  world on;
  const auto width = static_cast<std::uint32_t>(state.range(0));
  v1::PlanDocument document;
  document.set_name("fan-in");
  for (std::uint32_t i = 0; i <= width; ++i) {
    auto& step = *document.add_steps();
    step.set_name(i < width ? "s" + std::to_string(i) : "join");
    step.mutable_task()->set_type("noop");
  }
  for (std::uint32_t i = 0; i < width; ++i)
    document.mutable_steps(static_cast<int>(width))->add_needs("s" + std::to_string(i));
  auto checked = validate_plan(std::move(document), {});
  if (!checked) throw std::runtime_error(to_string(checked.failure()));
  v1::Command command;
  auto& create = *command.mutable_create_plan();
  create.mutable_begin()->set_step_count(static_cast<std::uint32_t>(checked->steps.size()));
  create.mutable_begin()->set_edge_count(checked->edge_count);
  create.mutable_begin()->mutable_document()->set_name("fan-in");
  for (auto& step : checked->steps) *create.add_steps() = std::move(step);
  on.apply(std::move(command));
  for ([[maybe_unused]] auto _ : state) {
    if (on.leased.empty()) {
      state.PauseTiming();
      on.tick_all();
      on.offer(slots_max);
      state.ResumeTiming();
    }
    on.complete_one();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(plan_counters_fan_in)->Arg(10'000)->Iterations(10'000);

}  // namespace
}  // namespace hive::core
