#include "core/plan_validator.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/text_rules.hpp"

namespace hive::core {
namespace {

/// How many steps of a cycle a message names.
constexpr std::size_t cycle_names_max = 20;

using position = std::uint32_t;
using name_index = std::unordered_map<std::string_view, position>;

std::string step_path(position at) { return "steps" + index_path(at); }
std::string need_path(position at, std::size_t need) {
  return step_path(at) + ".needs" + index_path(static_cast<std::int64_t>(need));
}

/// The document's graph, by positions. needs[i] is in the order of the document.
struct step_graph {
  std::vector<std::vector<position>> needs;
  std::uint64_t edge_count = 0;
};

result<void> check_head(const v1::PlanDocument& document, const core_limits& limits) {
  if (!document.name().empty()) {
    if (auto checked = check_name(document.name(), limits.name_bytes_max, "name"); !checked) return checked;
  }
  if (!v1::FailurePolicy_IsValid(document.failure_policy())) {
    return invalid("failure_policy", "unknown value " + std::to_string(static_cast<int>(document.failure_policy())));
  }
  if (auto checked = check_duration(document.deadline_ms(), "deadline_ms"); !checked) return checked;
  if (document.steps().empty()) return invalid("steps", "a plan has at least one step");
  if (static_cast<std::uint64_t>(document.steps_size()) > limits.plan_steps_max) {
    return invalid("steps", "at most " + std::to_string(limits.plan_steps_max) + " steps, got " +
                                std::to_string(document.steps_size()));
  }
  return {};
}

result<name_index> check_steps(v1::PlanDocument& document, const core_limits& limits) {
  name_index names;
  names.reserve(static_cast<std::size_t>(document.steps_size()));
  for (int i = 0; i < document.steps_size(); ++i) {
    const auto at = static_cast<position>(i);
    v1::PlanStepSpec& step = *document.mutable_steps(i);
    if (auto checked = check_name(step.name(), limits.name_bytes_max, step_path(at) + ".name"); !checked) {
      return checked.failure();
    }
    if (const auto [known, is_new] = names.emplace(step.name(), at); !is_new) {
      return invalid(step_path(at) + ".name",
                     "duplicate step name " + quoted(step.name()) + ", first at " + step_path(known->second));
    }
    v1::TaskSpec& task = *step.mutable_task();
    if (auto checked = normalize_spec(task, limits, step_path(at) + ".task."); !checked) return checked.failure();
    if (!task.idempotency_key().empty()) {
      return invalid(step_path(at) + ".task.idempotency_key", "a step has none; give the plan one");
    }
  }
  return names;
}

result<step_graph> resolve_needs(const v1::PlanDocument& document, const name_index& names, const core_limits& limits) {
  const auto count = static_cast<position>(document.steps_size());
  step_graph graph;
  graph.needs.resize(count);
  std::vector<position> last_user_plus_1(count);  // of each step: who named it last, to see repetitions in O(1)
  for (position at = 0; at < count; ++at) {
    const auto& step = document.steps(static_cast<int>(at));
    if (static_cast<std::uint64_t>(step.needs_size()) > limits.step_needs_max) {
      return invalid(step_path(at) + ".needs", "at most " + std::to_string(limits.step_needs_max) + " needs, got " +
                                                   std::to_string(step.needs_size()));
    }
    graph.needs[at].reserve(static_cast<std::size_t>(step.needs_size()));
    for (int i = 0; i < step.needs_size(); ++i) {
      const auto found = names.find(step.needs(i));
      const std::string_view why = found == names.end()                        ? "unknown step "
                                   : found->second == at                       ? "a step cannot need itself: "
                                   : last_user_plus_1[found->second] == at + 1 ? "this need is given twice: "
                                                                               : "";
      if (!why.empty()) {
        return invalid(need_path(at, static_cast<std::size_t>(i)), std::string{why} + quoted(step.needs(i)));
      }
      last_user_plus_1[found->second] = at + 1;
      graph.needs[at].push_back(found->second);
    }
    graph.edge_count += graph.needs[at].size();
    if (graph.edge_count > limits.plan_edges_max) {
      return invalid(step_path(at) + ".needs",
                     "a plan has at most " + std::to_string(limits.plan_edges_max) + " needs in all");
    }
  }
  return graph;
}

/// Positions in topological order; what is missing from it lies on or behind a cycle.
std::vector<position> sort_steps(const step_graph& graph) {
  const std::size_t count = graph.needs.size();
  // Dependents as one array with offsets: two allocations instead of one for each step.
  std::vector<std::uint64_t> first(count + 1);
  for (const auto& needs : graph.needs) {
    for (const position need : needs) ++first[need + 1];
  }
  for (std::size_t i = 0; i < count; ++i) first[i + 1] += first[i];
  std::vector<position> dependents(graph.edge_count);
  std::vector<std::uint64_t> fill(first.begin(), first.end() - 1);
  std::vector<std::size_t> unmet(count);
  std::priority_queue<position, std::vector<position>, std::greater<>> ready;
  for (position at = 0; at < count; ++at) {
    for (const position need : graph.needs[at]) dependents[fill[need]++] = at;
    unmet[at] = graph.needs[at].size();
    if (unmet[at] == 0) ready.push(at);
  }
  std::vector<position> order;
  order.reserve(count);
  while (!ready.empty()) {
    const position at = ready.top();
    ready.pop();
    order.push_back(at);
    for (std::uint64_t i = first[at]; i < first[at + 1]; ++i) {
      if (--unmet[dependents[i]] == 0) ready.push(dependents[i]);
    }
  }
  return order;
}

/// Steps of one cycle, each needs the next and the last needs the first; starts at the smallest position.
std::vector<position> find_cycle(const step_graph& graph, const std::vector<position>& order) {
  std::vector<bool> is_sorted(graph.needs.size());
  for (const position at : order) is_sorted[at] = true;
  const auto start = std::find(is_sorted.begin(), is_sorted.end(), false);
  // Each unsorted step has an unsorted need: following them must come back to a step seen before.
  std::vector<std::size_t> seen_plus_1(graph.needs.size());
  std::vector<position> walk;
  auto at = static_cast<position>(start - is_sorted.begin());
  while (seen_plus_1[at] == 0) {
    walk.push_back(at);
    seen_plus_1[at] = walk.size();
    at = *std::find_if(graph.needs[at].begin(), graph.needs[at].end(), [&](position need) { return !is_sorted[need]; });
  }
  walk.erase(walk.begin(), walk.begin() + static_cast<std::ptrdiff_t>(seen_plus_1[at] - 1));
  std::rotate(walk.begin(), std::min_element(walk.begin(), walk.end()), walk.end());
  return walk;
}

error name_cycle(const v1::PlanDocument& document, const step_graph& graph, const std::vector<position>& cycle) {
  const auto name = [&](position at) -> const std::string& { return document.steps(static_cast<int>(at)).name(); };
  std::string text;
  for (std::size_t i = 0; i < cycle.size() && i < cycle_names_max; ++i) text += name(cycle[i]) + " -> ";
  if (cycle.size() > cycle_names_max) {
    text += "... (" + std::to_string(cycle.size() - cycle_names_max) + " more) -> ";
  }
  text += name(cycle.front());
  const auto& needs = graph.needs[cycle.front()];
  const auto need = std::find(needs.begin(), needs.end(), cycle[1 % cycle.size()]) - needs.begin();
  return invalid(need_path(cycle.front(), static_cast<std::size_t>(need)), "steps need each other in a cycle: " + text);
}

}  // namespace

result<validated_plan> validate_plan(v1::PlanDocument&& document, const core_limits& limits) {
  if (auto checked = check_head(document, limits); !checked) return checked.failure();
  auto names = check_steps(document, limits);
  if (!names) return names.failure();
  auto graph = resolve_needs(document, *names, limits);
  if (!graph) return graph.failure();
  const std::vector<position> order = sort_steps(*graph);
  if (order.size() < graph->needs.size()) return name_cycle(document, *graph, find_cycle(*graph, order));

  std::vector<position> index_of(order.size());
  for (position index = 0; index < order.size(); ++index) index_of[order[index]] = index;
  validated_plan plan;
  plan.edge_count = graph->edge_count;
  plan.steps.resize(order.size());
  for (position index = 0; index < order.size(); ++index) {
    const position at = order[index];
    v1::PlanStepSpec& from = *document.mutable_steps(static_cast<int>(at));
    v1::PlanStep& step = *plan.steps[index].mutable_step();
    step.set_name(std::move(*from.mutable_name()));
    step.set_position(at);
    std::vector<position>& needs = graph->needs[at];
    for (position& need : needs) need = index_of[need];
    // Ascending: the state machine proves that there are no repetitions without a set.
    std::sort(needs.begin(), needs.end());
    step.mutable_needs()->Add(needs.begin(), needs.end());
    *plan.steps[index].mutable_task() = std::move(*from.mutable_task());
  }
  return plan;
}

}  // namespace hive::core
