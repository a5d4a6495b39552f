#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hive/v1/api.pb.h"

namespace hive::plan_files {

/// A plan file larger than this is refused (resource_exhausted).
constexpr std::uint64_t plan_file_bytes_max = 256ULL << 20;

/// Reads a plan in YAML or JSON; the format is that of docs/plan_files.md. Errors are invalid_argument, begin with
/// "file:line: path: " and carry the path as field too. Step names, needs and cycles are checked here already, so that
/// an error names its line; the node checks everything again.
result<v1::PlanDocument> read_plan(std::string_view text, const std::string& file_name);

/// The same from a file; "-" is the standard input. not_found if it cannot be opened. A plan without a name takes the
/// file's, without extension.
result<v1::PlanDocument> read_plan_file(const std::string& path);

/// How a recorded workflow becomes a plan.
struct wfformat_options {
  /// Each step sleeps its recorded run time times this; 0..1000.
  double time_scale = 1.0;
};

/// Reads a WfFormat 1.5 instance: one step of type `process` a task, named by the task's id, that sleeps the task's
/// recorded run time times the scale. `parents` and `children` must tell the same edges; one listed twice counts once.
/// Errors are invalid_argument with "file: path: ".
result<v1::PlanDocument> read_wfformat(std::string_view text, const std::string& file_name,
                                       const wfformat_options& options);
result<v1::PlanDocument> read_wfformat_file(const std::string& path, const wfformat_options& options);

/// One step as the graph shows it.
struct graph_node {
  std::string name;
  std::vector<std::string> needs;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;  // UNSPECIFIED: no state is shown
};

std::vector<graph_node> graph_of(const v1::PlanDocument& document);

/// Graphviz text: `dot -Tsvg`. States become fill colours.
std::string to_dot(const std::string& name, const std::vector<graph_node>& nodes);

/// Mermaid text, as it goes into Markdown.
std::string to_mermaid(const std::vector<graph_node>& nodes);

/// "1500", "1500ms", "2s", "1.5s", "5m", "2h", "7d" as milliseconds; a bare number is refused unless it is 0.
/// invalid_argument with a message that names the forms.
result<std::int64_t> parse_duration_ms(std::string_view text);

/// "1.5s", "250ms", "2m5s": for people.
std::string format_duration_ms(std::int64_t duration_ms);

}  // namespace hive::plan_files
