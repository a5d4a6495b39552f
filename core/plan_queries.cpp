#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "core/queries.hpp"
#include "core/record_reader.hpp"

namespace hive::core {

using namespace views;

namespace {

constexpr std::uint32_t critical_path_names_max = 1000;
constexpr int needs_shown_max = 10'000;
constexpr int unmet_shown_max = 1000;
constexpr std::uint64_t plans_looked_at_max = 100'000;
constexpr std::size_t page_bytes_max = 512 << 10;

struct held_task {
  std::uint64_t id;
  v1::TaskState state;
};

std::vector<held_task> held_tasks(const table_reader& tables) {
  std::vector<held_task> held;
  tables.scan(table::lease, "", [&](std::string_view entry, std::string_view) {
    held.push_back({read_u64(entry, 8), v1::TASK_STATE_UNSPECIFIED});
    return true;
  });
  for (auto& task : held) {
    if (const auto status = read_status(tables, task.id)) task.state = status->state();
  }
  std::sort(held.begin(), held.end(), [](const held_task& left, const held_task& right) { return left.id < right.id; });
  return held;
}

std::uint32_t count_indexed(const table_reader& tables, v1::TaskState state, std::uint64_t first, std::uint64_t end) {
  std::uint32_t count = 0;
  tables.scan(table::task_by_state, key{}.u8(static_cast<std::uint8_t>(state)).u64(first),
              [&](std::string_view entry, std::string_view) {
                if (static_cast<unsigned char>(entry[0]) != state || read_u64(entry, 1) >= end) return false;
                ++count;
                return true;
              });
  return count;
}

// Final steps are counted in the plan's status; those that wait, through their index; those that are held, through the
// leases (collected at the first need, for all plans of a call). What is left is queued.
void count_steps(const table_reader& tables, v1::Plan& plan, std::optional<std::vector<held_task>>& held) {
  auto& counts = *plan.mutable_steps_by_state();
  counts.Resize(v1::TaskState_ARRAYSIZE, 0);
  const auto& status = plan.status();
  counts[v1::TASK_STATE_COMPLETED] = status.steps_completed();
  counts[v1::TASK_STATE_FAILED] = status.steps_failed();
  counts[v1::TASK_STATE_CANCELED] = status.steps_canceled();
  counts[v1::TASK_STATE_SKIPPED] = status.steps_skipped();
  const std::uint32_t total = plan.spec().step_count();
  if (status.steps_final() >= total) return;
  const auto first = plan.spec().first_step_task_id();
  const auto end = first + total;
  for (const auto state : {v1::TASK_STATE_SCHEDULED, v1::TASK_STATE_BLOCKED}) {
    counts[state] = count_indexed(tables, state, first, end);
  }
  const std::uint32_t waiting = counts[v1::TASK_STATE_SCHEDULED] + counts[v1::TASK_STATE_BLOCKED];
  std::uint32_t rest = total - status.steps_final();
  rest -= std::min(rest, waiting);
  if (rest == 0) return;
  if (!held) held = held_tasks(tables);
  auto task = std::lower_bound(held->begin(), held->end(), first,
                               [](const held_task& left, std::uint64_t id) { return left.id < id; });
  for (; task != held->end() && task->id < end; ++task) {
    ++counts[task->state];
    rest -= std::min(rest, 1U);
  }
  counts[v1::TASK_STATE_QUEUED] = rest;
}

std::optional<v1::Plan> read_visible_plan(const table_reader& tables, std::uint64_t id) {
  auto status = read_plan_status(tables, id);
  if (!status || !is_visible_plan(*status)) return std::nullopt;
  auto spec = read_plan(tables, id);
  if (!spec) return std::nullopt;
  v1::Plan plan;
  plan.set_id(id);
  *plan.mutable_spec() = *std::move(spec);
  *plan.mutable_status() = *std::move(status);
  return plan;
}

// From the last completed step of the longest chain back along the need that decided each step's start.
void name_critical_path(const table_reader& tables, v1::Plan& plan) {
  std::vector<std::string> names;
  std::uint32_t at_plus_1 = plan.status().critical_path_step_plus_1();
  while (at_plus_1 != 0 && names.size() < critical_path_names_max) {
    const auto step = read_step(tables, plan.id(), at_plus_1 - 1);
    const auto status = read_status(tables, plan.spec().first_step_task_id() + at_plus_1 - 1);
    if (!step || !status) break;
    names.push_back(step->name());
    // Needs have smaller indices; anything else would not end.
    if (status->path_need_plus_1() >= at_plus_1) break;
    at_plus_1 = status->path_need_plus_1();
  }
  for (auto name = names.rbegin(); name != names.rend(); ++name) plan.add_critical_path(std::move(*name));
}

// Names of steps, each looked up once.
class step_names {
 public:
  step_names(const table_reader& tables, std::uint64_t plan) : tables_(tables), plan_(plan) {}

  const std::string& at(std::uint32_t index) {
    const auto known = names_.find(index);
    if (known != names_.end()) return known->second;
    const auto step = read_step(tables_, plan_, index);
    return names_[index] = step ? step->name() : std::string{};
  }

 private:
  const table_reader& tables_;
  std::uint64_t plan_;
  std::map<std::uint32_t, std::string> names_;
};

void add_steps(const table_reader& tables, const v1::Plan& plan, std::uint32_t offset, std::uint32_t limit,
               v1::GetPlanStatusResponse& response) {
  step_names names{tables, plan.id()};
  const auto total = plan.spec().step_count();
  std::size_t bytes = 0;
  std::uint32_t index = offset;
  for (; index < total && index - offset < limit; ++index) {
    if (index > offset && bytes >= page_bytes_max) break;
    const auto id = plan.spec().first_step_task_id() + index;
    const auto step = read_step(tables, plan.id(), index);
    const auto spec = read_spec(tables, id);
    const auto status = read_status(tables, id);
    if (!step || !spec || !status) continue;
    auto view = make_step_view(id, *step, *spec, *status);
    std::size_t need_bytes = 0;
    for (int i = 0; i < std::min(step->needs_size(), needs_shown_max) && need_bytes < page_bytes_max; ++i) {
      const auto& name = names.at(step->needs(i));
      need_bytes += name.size();
      view.add_needs(name);
    }
    bytes += view.ByteSizeLong();
    *response.add_steps() = std::move(view);
  }
  response.set_next_steps_offset(index < total ? index : 0);
}

result<void> validate(const v1::ListPlansRequest& request) {
  for (int i = 0; i < request.states_size(); ++i) {
    const auto state = request.states(i);
    if (v1::PlanState_IsValid(state) && state != v1::PLAN_STATE_UNSPECIFIED) continue;
    return error{errc::invalid_argument, std::to_string(state) + " is not a plan state",
                 "states[" + std::to_string(i) + "]"};
  }
  return {};
}

// The queued step that dispatch would take first: lowest (inverted priority, id).
std::optional<std::uint64_t> first_queued_step(const table_reader& tables, const v1::PlanSpec& plan) {
  const auto first = plan.first_step_task_id();
  const auto end = first + plan.step_count();
  std::uint64_t best_id = 0;
  std::uint32_t best_rank = std::numeric_limits<std::uint32_t>::max();
  const auto offer = [&](std::uint32_t rank, std::uint64_t id) {
    if (best_id != 0 && (rank > best_rank || (rank == best_rank && id > best_id))) return;
    best_rank = rank;
    best_id = id;
  };
  if (tables.size(table::ready) <= plan.step_count()) {
    tables.scan(table::ready, "", [&](std::string_view entry, std::string_view) {
      const auto id = read_u64(entry, 8);
      if (id >= first && id < end) offer(read_u32(entry, 4), id);
      return true;
    });
  } else {
    tables.scan(table::task_status, key{}.u64(first), [&](std::string_view entry, std::string_view value) {
      const auto id = read_u64(entry, 0);
      if (id >= end) return false;
      v1::TaskStatus status;
      if (!status.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
        throw table_error(errc::data_loss, "table task_status: a record cannot be parsed");
      }
      if (status.state() != v1::TASK_STATE_QUEUED) return true;
      const key rank = key{}.inverted_priority(status.priority());
      offer(read_u32(rank.view(), 0), id);
      return true;
    });
  }
  return best_id == 0 ? std::nullopt : std::optional{best_id};
}

}  // namespace

result<v1::GetPlanStatusResponse> get_plan_status(const table_reader& tables, const v1::GetPlanStatusRequest& request) {
  const auto limit = checked_limit(request.steps_limit(), 1000, 1000, "steps_limit");
  if (!limit) return limit.failure();
  auto plan = read_visible_plan(tables, request.plan_id());
  if (!plan) return no_such_plan(plan_id{request.plan_id()});
  v1::GetPlanStatusResponse response;
  std::optional<std::vector<held_task>> held;
  count_steps(tables, *plan, held);
  name_critical_path(tables, *plan);
  if (request.with_steps()) add_steps(tables, *plan, request.steps_offset(), *limit, response);
  *response.mutable_plan() = *std::move(plan);
  return response;
}

result<v1::ListPlansResponse> list_plans(const table_reader& tables, const v1::ListPlansRequest& request) {
  const auto limit = checked_limit(request.limit(), 100, 1000);
  if (!limit) return limit.failure();
  if (auto checked = validate(request); !checked) return checked.failure();
  v1::ListPlansResponse response;
  std::vector<std::uint64_t> ids;
  std::uint64_t looked_at = 0;
  std::uint64_t position = 0;
  key before;
  if (request.before_id() != 0) before.u64(request.before_id());
  tables.scan_back(table::plan_status, before, [&](std::string_view entry, std::string_view value) {
    if (ids.size() == *limit || looked_at == plans_looked_at_max) {
      response.set_next_before_id(position);
      return false;
    }
    ++looked_at;
    position = read_u64(entry, 0);
    v1::PlanStatus status;
    if (!status.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      throw table_error(errc::data_loss, "table plan_status: a record cannot be parsed");
    }
    const auto& states = request.states();
    const bool is_wanted = states.empty() || std::find(states.begin(), states.end(), status.state()) != states.end();
    if (is_wanted && is_visible_plan(status)) ids.push_back(position);
    return true;
  });
  std::optional<std::vector<held_task>> held;
  for (const auto id : ids) {
    auto plan = read_visible_plan(tables, id);
    if (!plan) continue;
    count_steps(tables, *plan, held);
    *response.add_plans() = *std::move(plan);
  }
  return response;
}

result<v1::GetNextStepResponse> get_next_step(const table_reader& tables, plan_id plan) {
  const auto found = read_visible_plan(tables, plan.value);
  if (!found) return no_such_plan(plan);
  v1::GetNextStepResponse response;
  if (found->status().state() != v1::PLAN_STATE_RUNNING) return response;
  const auto id = first_queued_step(tables, found->spec());
  if (!id) return response;
  const auto status = read_status(tables, *id);
  const auto spec = read_spec(tables, *id);
  const auto step = status ? read_step(tables, plan.value, status->step_index()) : std::nullopt;
  if (!status || !spec || !step) return response;
  *response.mutable_step() = make_step_view(*id, *step, *spec, *status);
  step_names names{tables, plan.value};
  for (int i = 0; i < std::min(step->needs_size(), needs_shown_max); ++i) {
    response.mutable_step()->add_needs(names.at(step->needs(i)));
  }
  return response;
}

result<v1::CheckDependenciesResponse> check_dependencies(const table_reader& tables, task_id step) {
  const auto status = read_status(tables, step.value);
  if (!status || !is_visible_task(tables, step.value, *status)) return no_such_task(step);
  if (status->plan_id() == 0) {
    return error{errc::failed_precondition, to_string(step) + " is not a step of a plan", "task_id"};
  }
  v1::CheckDependenciesResponse response;
  const auto record = read_step(tables, status->plan_id(), status->step_index());
  const auto plan = read_plan(tables, status->plan_id());
  if (!record || !plan) return no_such_task(step);
  for (const auto need : record->needs()) {
    const auto id = plan->first_step_task_id() + need;
    const auto need_status = read_status(tables, id);
    if (need_status && need_status->state() == v1::TASK_STATE_COMPLETED) continue;
    response.set_unmet_count(response.unmet_count() + 1);
    if (!need_status || response.unmet_size() == unmet_shown_max) continue;
    const auto need_step = read_step(tables, status->plan_id(), need);
    const auto need_spec = read_spec(tables, id);
    if (need_step && need_spec) *response.add_unmet() = make_step_view(id, *need_step, *need_spec, *need_status);
  }
  response.set_is_satisfied(response.unmet_count() == 0);
  return response;
}

}  // namespace hive::core
