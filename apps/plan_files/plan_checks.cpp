#include "apps/plan_files/plan_checks.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/nearest_name.hpp"

namespace hive::plan_files {
namespace {

using index_by_name = std::unordered_map<std::string, int>;

constexpr int cycle_names_shown_max = 20;
constexpr int suggestion_steps_max = 10'000;

bool index_names(const v1::PlanDocument& document, index_by_name& indices, graph_fault& fault) {
  for (int i = 0; i < document.steps_size(); ++i) {
    const auto [first, is_new] = indices.emplace(document.steps(i).name(), i);
    if (is_new) continue;
    fault = {i, -1, "the name '" + first->first + "' is already that of steps[" + std::to_string(first->second) + "]"};
    return false;
  }
  return true;
}

graph_fault unknown_need(const v1::PlanDocument& document, int step, int need) {
  std::vector<std::string> names;
  for (int i = 0; i < std::min(document.steps_size(), suggestion_steps_max); ++i) {
    if (i != step) names.push_back(document.steps(i).name());
  }
  const std::string& name = document.steps(step).needs(need);
  return {step, need, "there is no step '" + name + "'" + did_you_mean(name, names)};
}

bool resolve_needs(const v1::PlanDocument& document, const index_by_name& indices, std::vector<std::vector<int>>& needs,
                   graph_fault& fault) {
  needs.resize(static_cast<std::size_t>(document.steps_size()));
  std::vector<int> last_seen(needs.size(), -1);
  for (int i = 0; i < document.steps_size(); ++i) {
    for (int k = 0; k < document.steps(i).needs_size(); ++k) {
      const auto found = indices.find(document.steps(i).needs(k));
      if (found == indices.end()) {
        fault = unknown_need(document, i, k);
        return false;
      }
      const int needed = found->second;
      if (needed == i || last_seen[static_cast<std::size_t>(needed)] == i) {
        fault = {i, k, needed == i ? "a step cannot need itself" : "'" + found->first + "' is needed twice"};
        return false;
      }
      last_seen[static_cast<std::size_t>(needed)] = i;
      needs[static_cast<std::size_t>(i)].push_back(needed);
    }
  }
  return true;
}

/// Kahn's algorithm; what is left over holds a cycle, which walking along unfinished needs must meet.
bool find_cycle(const v1::PlanDocument& document, const std::vector<std::vector<int>>& needs, graph_fault& fault) {
  const std::size_t count = needs.size();
  std::vector<std::vector<int>> dependents(count);
  std::vector<std::size_t> unmet(count);
  std::vector<int> ready;
  for (std::size_t i = 0; i < count; ++i) {
    unmet[i] = needs[i].size();
    if (unmet[i] == 0) ready.push_back(static_cast<int>(i));
    for (const int needed : needs[i]) dependents[static_cast<std::size_t>(needed)].push_back(static_cast<int>(i));
  }
  std::size_t finished = 0;
  while (!ready.empty()) {
    const auto step = static_cast<std::size_t>(ready.back());
    ready.pop_back();
    ++finished;
    for (const int dependent : dependents[step]) {
      if (--unmet[static_cast<std::size_t>(dependent)] == 0) ready.push_back(dependent);
    }
  }
  if (finished == count) return false;

  std::vector<int> place(count, -1);
  std::vector<int> walk;
  int step = static_cast<int>(std::find_if(unmet.begin(), unmet.end(), [](auto n) { return n > 0; }) - unmet.begin());
  while (place[static_cast<std::size_t>(step)] < 0) {
    place[static_cast<std::size_t>(step)] = static_cast<int>(walk.size());
    walk.push_back(step);
    const auto& from = needs[static_cast<std::size_t>(step)];
    step = *std::find_if(from.begin(), from.end(), [&](int need) { return unmet[static_cast<std::size_t>(need)] > 0; });
  }
  walk.erase(walk.begin(), walk.begin() + place[static_cast<std::size_t>(step)]);
  std::string names;
  for (std::size_t i = 0; i < walk.size() && i < cycle_names_shown_max; ++i) {
    names += document.steps(walk[i]).name() + " -> ";
  }
  if (walk.size() > cycle_names_shown_max) names += "... (" + std::to_string(walk.size()) + " steps) -> ";
  fault = {walk.front(), -1, "the needs form a cycle: " + names + document.steps(walk.front()).name()};
  return true;
}

}  // namespace

bool check_graph(const v1::PlanDocument& document, graph_fault& fault) {
  index_by_name indices;
  std::vector<std::vector<int>> needs;
  if (!index_names(document, indices, fault)) return false;
  if (!resolve_needs(document, indices, needs, fault)) return false;
  return !find_cycle(document, needs, fault);
}

}  // namespace hive::plan_files
