#include <map>
#include <set>
#include <string>

#include "core/plan_record.hpp"
#include "core/plan_rules.hpp"
#include "core/plan_validator.hpp"
#include "core/text_rules.hpp"

namespace hive::core {
namespace {

constexpr const char* parent_type_default = "plan";

using step_list = google::protobuf::RepeatedPtrField<v1::PlannedStep>;

/// Where a part of a plan's steps goes.
struct arrival {
  plan_id plan;  // not set: no step has arrived
  std::uint32_t first_index = 0;
  std::uint32_t step_count = 0;  // of the whole plan
  std::uint64_t edges_left = 0;
};

/// The plan that this key has created; nullopt if there is none.
std::optional<plan_record> find_by_key(const context& on, const std::string& name) {
  if (name.empty()) return std::nullopt;
  const auto row = on.tables.get(table::idempotency, plan_idempotency_key(name));
  if (!row) return std::nullopt;
  return load_plan(on, plan_id{read_u64(*row, 0)});
}

std::optional<error> check_head(const v1::BeginPlan& command, const core_limits& limits) {
  const v1::PlanDocument& document = command.document();
  if (!document.name().empty()) {
    if (auto named = check_name(document.name(), limits.name_bytes_max, "document.name"); !named)
      return named.failure();
  }
  if (!v1::FailurePolicy_IsValid(document.failure_policy())) {
    return invalid("document.failure_policy", "unknown value");
  }
  if (auto checked = check_duration(document.deadline_ms(), "document.deadline_ms"); !checked) return checked.failure();
  if (document.steps_size() != 0) return invalid("document.steps", "steps arrive apart from the document");
  if (command.step_count() == 0 || command.step_count() > limits.plan_steps_max) {
    return out_of_range("step_count", command.step_count(), 1, limits.plan_steps_max);
  }
  const std::uint64_t edges_possible = std::uint64_t{command.step_count()} * (command.step_count() - 1) / 2;
  if (command.edge_count() > limits.plan_edges_max || command.edge_count() > edges_possible) {
    return invalid("edge_count", "is " + std::to_string(command.edge_count()) + ", more than " +
                                     std::to_string(command.step_count()) + " steps may have");
  }
  if (!command.idempotency_key().empty()) {
    auto named = check_name(command.idempotency_key(), limits.name_bytes_max, "idempotency_key");
    if (!named) return named.failure();
  }
  return std::nullopt;
}

/// The stored form of the parent that the plan is to create.
result<v1::TaskSpec> parent_spec(const context& on, const v1::BeginPlan& command) {
  v1::TaskSpec spec = command.parent_spec();
  if (spec.type().empty()) spec.set_type(parent_type_default);
  if (spec.title().empty()) spec.set_title(command.document().name());
  if (auto normal = normalize_spec(spec, on.state.limits, "parent_spec."); !normal) return normal.failure();
  if (!spec.idempotency_key().empty()) {
    return invalid("parent_spec.idempotency_key", "give the plan the key, not its parent");
  }
  if (spec.not_before_unix_ms() != 0) return invalid("parent_spec.not_before_unix_ms", "a plan starts at once");
  if (auto full = check_signature(on, spec)) return *full;
  return spec;
}

/// The plan as it is when nothing has arrived yet; no table and no counter has been touched.
result<plan_record> check_begin(const context& on, const v1::BeginPlan& command) {
  if (auto wrong = check_head(command, on.state.limits)) return *wrong;
  plan_record plan;
  if (command.parent_task_id() == 0) {
    auto spec = parent_spec(on, command);
    if (!spec) return spec.failure();
    *plan.spec.mutable_staged_parent() = std::move(*spec);
  } else {
    plan.id = plan_id{command.parent_task_id()};
    if (auto wrong = check_parent(on, plan.id)) return *wrong;
    if (on.tables.get(table::plan_status, plan_key(plan.id))) {
      return error{errc::already_exists, "a plan for this task is on its way: drop it first", "parent_task_id"};
    }
  }
  const v1::PlanDocument& document = command.document();
  plan.spec.set_name(document.name());
  plan.spec.set_failure_policy(document.failure_policy() == v1::FAILURE_POLICY_CONTINUE ? v1::FAILURE_POLICY_CONTINUE
                                                                                        : v1::FAILURE_POLICY_FAIL_FAST);
  plan.spec.set_step_count(command.step_count());
  plan.spec.set_edge_count(command.edge_count());
  plan.spec.set_deadline_ms(document.deadline_ms());
  plan.spec.set_idempotency_key(command.idempotency_key());
  return plan;
}

/// Hands out the ids and writes the staged plan.
void write_begin(context& on, plan_record& plan) {
  if (!plan.id.is_set()) plan.id = take_task_ids(on);
  plan.spec.set_first_step_task_id(take_task_ids(on, plan.spec.step_count()).value);
  plan.status.set_state(v1::PLAN_STATE_STAGED);
  plan.status.set_created_unix_ms(on.now);
  put_message(on, table::plan, plan_key(plan.id), plan.spec);
  arm_timer(on, due_after(on.now, on.state.limits.plan_upload_ms), timer_kind::plan_upload, plan.id.value);
}

std::optional<error> check_needs(const v1::PlanStep& step, std::uint32_t index, const core_limits& limits,
                                 const std::string& path) {
  if (static_cast<std::uint64_t>(step.needs_size()) > limits.step_needs_max) {
    return invalid(path + "needs", "at most " + std::to_string(limits.step_needs_max) + " needs, got " +
                                       std::to_string(step.needs_size()));
  }
  for (int i = 0; i < step.needs_size(); ++i) {
    if (step.needs(i) >= index) return invalid(path + "needs" + index_path(i), "must be below the step's own index");
    if (i > 0 && step.needs(i) <= step.needs(i - 1)) {
      return invalid(path + "needs" + index_path(i), "needs must ascend, each once");
    }
  }
  return std::nullopt;
}

/// What of a part needs the whole part to check.
struct part_names {
  std::set<std::string_view> steps;
  std::set<std::string> new_signatures;
};

std::optional<error> check_step(const context& on, const arrival& to, std::uint32_t index,
                                const v1::PlannedStep& planned, part_names& names, const std::string& path) {
  const core_limits& limits = on.state.limits;
  const v1::PlanStep& step = planned.step();
  const v1::TaskSpec& task = planned.task();
  if (auto named = check_name(step.name(), limits.name_bytes_max, path + "step.name"); !named) return named.failure();
  const bool is_known = to.plan.is_set() && on.tables.get(table::plan_step_name, step_name_key(to.plan, step.name()));
  if (is_known || !names.steps.insert(step.name()).second) {
    return invalid(path + "step.name", "duplicate step name " + quoted(step.name()));
  }
  if (auto wrong = check_needs(step, index, limits, path + "step.")) return wrong;
  if (auto wrong = check_spec(limits, task, path + "task.")) return wrong;
  if (!task.idempotency_key().empty()) {
    return invalid(path + "task.idempotency_key", "a step has none; give the plan one");
  }
  std::string canonical = signature_table::canonical(task);
  if (on.state.signatures.find(canonical)) return std::nullopt;
  names.new_signatures.insert(std::move(canonical));
  if (on.state.signatures.size() + names.new_signatures.size() > limits.signatures_max) {
    return error{errc::resource_exhausted,
                 "more than " + std::to_string(limits.signatures_max) +
                     " combinations of type, capabilities and worker selector",
                 path + "task"};
  }
  return std::nullopt;
}

/// Everything that the state machine relies on; the validator has checked more, but a command is not trusted.
std::optional<error> check_part(const context& on, const arrival& to, const step_list& steps) {
  if (static_cast<std::uint64_t>(steps.size()) > to.step_count - to.first_index) {
    return invalid("steps", "more steps than the plan's " + std::to_string(to.step_count));
  }
  part_names names;
  std::uint64_t edges = 0;
  for (int i = 0; i < steps.size(); ++i) {
    const std::uint32_t index = to.first_index + static_cast<std::uint32_t>(i);
    auto wrong = check_step(on, to, index, steps[i], names, "steps" + index_path(i) + ".");
    if (wrong) return wrong;
    edges += static_cast<std::uint64_t>(steps[i].step().needs_size());
  }
  if (edges > to.edges_left) return invalid("steps", "more needs than the plan's edge_count");
  return std::nullopt;
}

void write_step(context& on, const plan_record& plan, std::uint32_t index, const v1::PlannedStep& planned,
                std::map<std::uint32_t, std::uint32_t>& counts) {
  const task_id id = step_task(plan, index);
  const v1::PlanStep& step = planned.step();
  v1::TaskSpec spec = planned.task();
  spec.set_plan_id(plan.id.value);
  spec.set_step_index(index);
  put_message(on, table::task_spec, key{}.u64(id.value), spec);

  v1::TaskStatus status = new_status(on, spec);
  status.set_state(v1::TASK_STATE_BLOCKED);
  status.set_reason(v1::REASON_DEPENDENCIES);
  status.set_unmet_needs(static_cast<std::uint32_t>(step.needs_size()));
  status.set_plan_id(plan.id.value);
  status.set_step_index(index);
  store_status(on, id, status);
  put_index(on, id, status);
  ++counts[status.signature_id()];

  put_message(on, table::plan_step, step_key(plan.id, index), step);
  on.tables.put(table::plan_step_name, step_name_key(plan.id, step.name()), key{}.u32(index));
  for (const std::uint32_t need : step.needs()) on.tables.put(table::plan_edge, edge_key(plan.id, need, index), {});
}

void write_part(context& on, plan_record& plan, const step_list& steps) {
  std::map<std::uint32_t, std::uint32_t> counts;
  for (const auto& before : plan.status.staged_counts()) counts[before.signature_id()] = before.count();
  std::uint64_t edges = 0;
  std::uint32_t index = plan.status.steps_arrived();
  for (const auto& step : steps) {
    write_step(on, plan, index++, step, counts);
    edges += static_cast<std::uint64_t>(step.step().needs_size());
  }
  plan.status.set_steps_arrived(index);
  plan.status.set_edges_arrived(plan.status.edges_arrived() + edges);
  plan.status.clear_staged_counts();
  for (const auto& [signature, count] : counts) {
    v1::SignatureCount& row = *plan.status.add_staged_counts();
    row.set_signature_id(signature);
    row.set_count(count);
  }
}

void disarm_upload(context& on, const plan_record& plan) {
  const std::int64_t due = due_after(plan.status.created_unix_ms(), on.state.limits.plan_upload_ms);
  on.tables.erase(table::timer,
                  key{}.time(due).u8(static_cast<std::uint8_t>(timer_kind::plan_upload)).u64(plan.id.value));
}

/// The parent is made at the commit, under the id that was kept for it: it never waits, it runs at once.
void create_parent(context& on, task_id id, const v1::TaskSpec& spec) {
  put_message(on, table::task_spec, key{}.u64(id.value), spec);
  v1::TaskStatus status = new_status(on, spec);
  status.set_state(v1::TASK_STATE_RUNNING);
  status.set_reason(v1::REASON_PLAN);
  status.set_attempt(1);
  status.set_queued_unix_ms(on.now);
  status.set_leased_unix_ms(on.now);
  status.set_started_unix_ms(on.now);
  status.set_is_plan_parent(true);
  put_index(on, id, status);
  count_task(on, status, 1);
  status.set_created_seq(emit_task(on, "task.created", id, status).value);
  if (spec.timeouts().total_ms() > 0) {
    arm_timer(on, due_after(on.now, spec.timeouts().total_ms()), timer_kind::total_timeout, id.value);
  }
  store_status(on, id, status);
  emit_task(on, "task.started", id, status);
}

/// The plan becomes visible and starts. The caller has checked that it is whole and its parent fit.
v1::Outcome start_plan(context& on, plan_record& plan) {
  disarm_upload(on, plan);
  for (const auto& arrived : plan.status.staged_counts()) {
    v1::TaskStatus status;
    status.set_state(v1::TASK_STATE_BLOCKED);
    status.set_signature_id(arrived.signature_id());
    count_task(on, status, arrived.count());
  }
  plan.status.clear_staged_counts();
  if (plan.spec.has_staged_parent()) {
    create_parent(on, plan.id, plan.spec.staged_parent());
    plan.spec.clear_staged_parent();
    put_message(on, table::plan, plan_key(plan.id), plan.spec);
  } else {
    v1::TaskStatus parent = require_step(on, plan.id);
    adopt_parent(on, plan.id, parent);
  }
  if (!plan.spec.idempotency_key().empty()) {
    on.tables.put(table::idempotency, plan_idempotency_key(plan.spec.idempotency_key()), key{}.u64(plan.id.value));
  }
  arm_deadline(on, plan);
  set_plan_state(on, plan, v1::PLAN_STATE_RUNNING);
  emit_plan(on, "plan.created", plan);
  start_sweep(on, plan, v1::PlanStatus::SWEEP_START);
  settle(on, plan);
  store_plan(on, plan);
  return accept_plan(plan);
}

/// A staged plan that may be changed; else why not.
result<plan_record> find_staged(const context& on, plan_id id) {
  auto plan = load_plan(on, id);
  if (!plan || plan->status.sweep() == v1::PlanStatus::SWEEP_DROP) return no_such_plan(id);
  if (plan->status.state() != v1::PLAN_STATE_STAGED) {
    return error{errc::failed_precondition, "the plan has been committed already", "plan_id"};
  }
  return *std::move(plan);
}

error incomplete(const char* what, std::uint64_t arrived, std::uint64_t promised) {
  return {errc::failed_precondition,
          "the plan is not whole: " + std::to_string(arrived) + " of " + std::to_string(promised) + " " + what,
          {}};
}

}  // namespace

void drop_staged(context& on, plan_record& plan) {
  disarm_upload(on, plan);
  plan.status.set_sweep(v1::PlanStatus::SWEEP_DROP);
  plan.status.set_sweep_next(0);
  run_erasure(on, plan);
}

v1::Outcome apply_begin_plan(context& on, const v1::BeginPlan& command) {
  if (const auto known = find_by_key(on, command.idempotency_key())) return accept_plan(*known, true);
  auto plan = check_begin(on, command);
  if (!plan) return refuse(plan.failure());
  write_begin(on, *plan);
  store_plan(on, *plan);
  return accept_plan(*plan);
}

v1::Outcome apply_append_steps(context& on, const v1::AppendSteps& command) {
  auto plan = find_staged(on, plan_id{command.plan_id()});
  if (!plan) return refuse(plan.failure());
  if (command.steps().empty()) return refuse(invalid("steps", "a part has at least one step"));
  if (command.first_index() != plan->status.steps_arrived()) {
    return refuse(errc::failed_precondition,
                  "the next part starts at step " + std::to_string(plan->status.steps_arrived()) + ", not at " +
                      std::to_string(command.first_index()),
                  "first_index");
  }
  const arrival to{plan->id, command.first_index(), plan->spec.step_count(),
                   plan->spec.edge_count() - plan->status.edges_arrived()};
  if (auto wrong = check_part(on, to, command.steps())) return refuse(*wrong);
  write_part(on, *plan, command.steps());
  store_plan(on, *plan);
  return accept_plan(*plan);
}

v1::Outcome apply_commit_plan(context& on, const v1::CommitPlan& command) {
  auto plan = find_staged(on, plan_id{command.plan_id()});
  if (!plan) {
    const auto committed = load_plan(on, plan_id{command.plan_id()});
    if (committed && !is_hidden(*committed)) return accept_plan(*committed, true);
    return refuse(plan.failure());
  }
  const v1::PlanStatus& status = plan->status;
  if (status.steps_arrived() != plan->spec.step_count()) {
    return refuse(incomplete("steps", status.steps_arrived(), plan->spec.step_count()));
  }
  if (status.edges_arrived() != plan->spec.edge_count()) {
    return refuse(incomplete("needs", status.edges_arrived(), plan->spec.edge_count()));
  }
  if (const auto known = find_by_key(on, plan->spec.idempotency_key())) {
    // The same plan came twice at the same time and the other one was first.
    drop_staged(on, *plan);
    return accept_plan(*known, true);
  }
  if (!plan->spec.has_staged_parent()) {
    if (auto wrong = check_parent(on, plan->id)) return refuse(*wrong);
  }
  return start_plan(on, *plan);
}

v1::Outcome apply_create_plan(context& on, const v1::CreatePlan& command) {
  const v1::BeginPlan& begin = command.begin();
  if (const auto known = find_by_key(on, begin.idempotency_key())) return accept_plan(*known, true);
  auto plan = check_begin(on, begin);
  if (!plan) return refuse(plan.failure());
  if (static_cast<std::uint64_t>(command.steps_size()) < begin.step_count()) {
    return refuse(incomplete("steps", static_cast<std::uint64_t>(command.steps_size()), begin.step_count()));
  }
  std::uint64_t edges = 0;
  for (const auto& step : command.steps()) edges += static_cast<std::uint64_t>(step.step().needs_size());
  if (edges < begin.edge_count()) return refuse(incomplete("needs", edges, begin.edge_count()));
  if (auto wrong = check_part(on, {{}, 0, begin.step_count(), begin.edge_count()}, command.steps())) {
    return refuse(*wrong);
  }
  write_begin(on, *plan);
  write_part(on, *plan, command.steps());
  return start_plan(on, *plan);
}

v1::Outcome apply_drop_plan(context& on, const v1::DropPlan& command) {
  auto plan = find_staged(on, plan_id{command.plan_id()});
  if (!plan) return refuse(plan.failure());
  v1::Outcome outcome = accept_plan(*plan);
  drop_staged(on, *plan);
  return outcome;
}

}  // namespace hive::core
