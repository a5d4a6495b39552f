#include <unordered_map>

#include "apps/plan_files/plan_files.hpp"

namespace hive::plan_files {
namespace {

/// Fill colours that both formats use; empty: none.
std::string colour_of(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STATE_COMPLETED:
      return "#b7e1cd";
    case v1::TASK_STATE_FAILED:
      return "#f4c7c3";
    case v1::TASK_STATE_RUNNING:
    case v1::TASK_STATE_LEASED:
      return "#c9daf8";
    case v1::TASK_STATE_QUEUED:
      return "#fce8b2";
    case v1::TASK_STATE_CANCELED:
    case v1::TASK_STATE_SKIPPED:
      return "#d9d9d9";
    default:
      return {};
  }
}

std::string dot_quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    if (letter == '\n') {
      quoted += "\\n";
    } else {
      quoted += letter;
    }
  }
  return quoted + "\"";
}

/// Inside ["..."] Mermaid knows character entities only.
std::string mermaid_quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    switch (letter) {
      case '"':
        quoted += "#quot;";
        break;
      case '#':
        quoted += "#35;";
        break;
      case '<':
        quoted += "#lt;";
        break;
      case '>':
        quoted += "#gt;";
        break;
      case '\n':
        quoted += ' ';
        break;
      default:
        quoted += letter;
    }
  }
  return quoted + "\"";
}

}  // namespace

std::vector<graph_node> graph_of(const v1::PlanDocument& document) {
  std::vector<graph_node> nodes;
  nodes.reserve(static_cast<std::size_t>(document.steps_size()));
  for (const v1::PlanStepSpec& step : document.steps()) {
    nodes.push_back({step.name(), {step.needs().begin(), step.needs().end()}, v1::TASK_STATE_UNSPECIFIED});
  }
  return nodes;
}

std::string to_dot(const std::string& name, const std::vector<graph_node>& nodes) {
  std::string text = "digraph " + dot_quoted(name) +
                     " {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white];\n";
  for (const graph_node& node : nodes) {
    const std::string colour = colour_of(node.state);
    text += "  " + dot_quoted(node.name) + (colour.empty() ? "" : " [fillcolor=\"" + colour + "\"]") + ";\n";
  }
  for (const graph_node& node : nodes) {
    for (const std::string& need : node.needs) text += "  " + dot_quoted(need) + " -> " + dot_quoted(node.name) + ";\n";
  }
  return text + "}\n";
}

std::string to_mermaid(const std::vector<graph_node>& nodes) {
  std::unordered_map<std::string, std::string> ids;
  std::string text = "flowchart LR\n";
  for (const graph_node& node : nodes) {
    const std::string id = "s" + std::to_string(ids.size());
    ids.emplace(node.name, id);
    text += "  " + id + "[" + mermaid_quoted(node.name) + "]\n";
  }
  for (const graph_node& node : nodes) {
    for (const std::string& need : node.needs) text += "  " + ids[need] + " --> " + ids[node.name] + "\n";
  }
  for (const graph_node& node : nodes) {
    const std::string colour = colour_of(node.state);
    if (!colour.empty()) text += "  style " + ids[node.name] + " fill:" + colour + "\n";
  }
  return text;
}

}  // namespace hive::plan_files
