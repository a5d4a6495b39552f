#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "apps/plan_files/file_text.hpp"
#include "apps/plan_files/plan_checks.hpp"
#include "apps/plan_files/plan_files.hpp"
#include "core/limits.hpp"

// Source: WfFormat 1.5, https://github.com/wfcommons/WfFormat (workflow.specification.tasks, workflow.execution.tasks).

namespace hive::plan_files {
namespace {

using nlohmann::json;

const core::core_limits limits;
constexpr double time_scale_max = 1000;
constexpr double sleep_seconds_max = 365.0 * 86'400;

struct wfformat_refusal {
  error failure;
};

struct recorded_task {
  std::string id;
  std::string title;
  std::set<std::string> parents;
  std::set<std::string> children;
  double runtime_seconds = 0;
};

/// Reads one instance; `file_name` begins every message.
class wfformat_reader {
 public:
  explicit wfformat_reader(std::string file_name) : file_name_(std::move(file_name)) {}

  v1::PlanDocument read(std::string_view text, const wfformat_options& options) {
    if (!(options.time_scale >= 0 && options.time_scale <= time_scale_max)) {
      throw wfformat_refusal{{errc::invalid_argument, "the time scale must be a number from 0 to 1000", "time_scale"}};
    }
    json root;
    try {
      root = json::parse(text);
    } catch (const json::parse_error& problem) {
      const auto line =
          1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(problem.byte, text.size())),
                         '\n');
      throw wfformat_refusal{
          {errc::invalid_argument, file_name_ + ":" + std::to_string(line) + ": is not valid JSON", {}}};
    }
    check_version(root);
    const json& workflow = member(root, "workflow", "", json::value_t::object);
    read_specification(member(workflow, "specification", "workflow", json::value_t::object));
    check_edges();
    read_execution(member(workflow, "execution", "workflow", json::value_t::object));
    return document(root, options);
  }

 private:
  [[noreturn]] void refuse(const std::string& path, const std::string& message) const {
    throw wfformat_refusal{{errc::invalid_argument, file_name_ + ": " + path + ": " + message, path}};
  }

  const json& member(const json& object, const char* key, const std::string& parent, json::value_t type) const {
    const std::string path = parent.empty() ? key : parent + "." + key;
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (!object.is_object() || found == object.end()) refuse(path, "is missing");
    const bool fits = type == json::value_t::number_float ? found->is_number() : found->type() == type;
    if (!fits)
      refuse(path, std::string{"must be "} +
                       json(type == json::value_t::number_float ? json(0.0) : json(type)).type_name() + ", is " +
                       found->type_name());
    return *found;
  }

  void check_version(const json& root) const {
    const std::string& version = member(root, "schemaVersion", "", json::value_t::string).get_ref<const std::string&>();
    if (version != "1.5") refuse("schemaVersion", "must be 1.5, is '" + version.substr(0, 32) + "'");
  }

  std::set<std::string> read_ids(const json& task, const char* key, const std::string& path) const {
    std::set<std::string> ids;
    if (!task.contains(key)) return ids;
    const json& list = member(task, key, path, json::value_t::array);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_string()) {
        refuse(path + "." + key + "[" + std::to_string(i) + "]",
               std::string{"must be string, is "} + list[i].type_name());
      }
      ids.insert(list[i].get<std::string>());  // one listed twice is one edge
    }
    return ids;
  }

  void read_specification(const json& specification) {
    const json& tasks = member(specification, "tasks", "workflow.specification", json::value_t::array);
    if (tasks.empty()) refuse("workflow.specification.tasks", "must not be empty");
    if (tasks.size() > limits.plan_steps_max) {
      refuse("workflow.specification.tasks", "has " + std::to_string(tasks.size()) + " tasks; at most " +
                                                 std::to_string(limits.plan_steps_max) + " are allowed");
    }
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const std::string path = specification_path(i);
      recorded_task task;
      task.id = member(tasks[i], "id", path, json::value_t::string).get<std::string>();
      if (task.id.empty() || task.id.size() > limits.name_bytes_max) {
        refuse(path + ".id", "must have 1 to " + std::to_string(limits.name_bytes_max) + " bytes");
      }
      if (tasks[i].contains("name"))
        task.title = member(tasks[i], "name", path, json::value_t::string).get<std::string>();
      task.parents = read_ids(tasks[i], "parents", path);
      task.children = read_ids(tasks[i], "children", path);
      const auto [first, is_new] = index_.emplace(task.id, i);
      if (!is_new) refuse(path + ".id", "'" + task.id + "' is already that of " + specification_path(first->second));
      tasks_.push_back(std::move(task));
    }
  }

  static std::string specification_path(std::size_t index) {
    return "workflow.specification.tasks[" + std::to_string(index) + "]";
  }

  void check_known(const std::string& id, const std::string& path) const {
    if (!index_.contains(id)) refuse(path, "there is no task '" + id + "'");
  }

  /// Every edge must stand on both of its ends.
  void check_edges() const {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      const recorded_task& task = tasks_[i];
      for (const std::string& parent : task.parents) {
        check_known(parent, specification_path(i) + ".parents");
        if (!tasks_[index_.at(parent)].children.contains(task.id)) {
          refuse(specification_path(i) + ".parents",
                 "'" + parent + "' is a parent, but does not list '" + task.id + "' as its child");
        }
      }
      for (const std::string& child : task.children) {
        check_known(child, specification_path(i) + ".children");
        if (!tasks_[index_.at(child)].parents.contains(task.id)) {
          refuse(specification_path(i) + ".children",
                 "'" + child + "' is a child, but does not list '" + task.id + "' as its parent");
        }
      }
    }
  }

  void read_execution(const json& execution) {
    const json& tasks = member(execution, "tasks", "workflow.execution", json::value_t::array);
    std::vector<bool> has_runtime(tasks_.size(), false);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const std::string path = "workflow.execution.tasks[" + std::to_string(i) + "]";
      const std::string id = member(tasks[i], "id", path, json::value_t::string).get<std::string>();
      check_known(id, path + ".id");
      const std::size_t index = index_.at(id);
      if (has_runtime[index]) refuse(path + ".id", "'" + id + "' is listed twice");
      const double runtime = member(tasks[i], "runtimeInSeconds", path, json::value_t::number_float).get<double>();
      if (!(runtime >= 0 && runtime <= sleep_seconds_max))
        refuse(path + ".runtimeInSeconds", "must be from 0 to 31536000");
      tasks_[index].runtime_seconds = runtime;
      has_runtime[index] = true;
    }
    const auto missing = std::find(has_runtime.begin(), has_runtime.end(), false);
    if (missing != has_runtime.end()) {
      refuse("workflow.execution.tasks",
             "has no run time of '" + tasks_[static_cast<std::size_t>(missing - has_runtime.begin())].id + "'");
    }
  }

  [[nodiscard]] v1::PlanDocument document(const json& root, const wfformat_options& options) const {
    v1::PlanDocument plan;
    if (root.contains("name") && root["name"].is_string()) {
      plan.set_name(root["name"].get<std::string>().substr(0, limits.name_bytes_max));
    }
    for (const recorded_task& task : tasks_) {
      v1::PlanStepSpec& step = *plan.add_steps();
      step.set_name(task.id);
      // In the file's order of tasks, which is stable, not in that of the names.
      for (const std::string& parent : task.parents) step.add_needs(parent);
      std::sort(step.mutable_needs()->begin(), step.mutable_needs()->end(),
                [&](const auto& left, const auto& right) { return index_.at(left) < index_.at(right); });
      char seconds[64];
      std::snprintf(seconds, sizeof seconds, "%.6f", task.runtime_seconds * options.time_scale);
      step.mutable_task()->set_type("process");
      step.mutable_task()->set_title(task.title.substr(0, limits.title_bytes_max));
      step.mutable_task()->set_payload(json{{"argv", {"sleep", seconds}}}.dump());
    }
    graph_fault fault;
    if (!check_graph(plan, fault)) refuse(specification_path(static_cast<std::size_t>(fault.step)), fault.message);
    return plan;
  }

  std::string file_name_;
  std::vector<recorded_task> tasks_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

result<v1::PlanDocument> read_wfformat(std::string_view text, const std::string& file_name,
                                       const wfformat_options& options) {
  try {
    return wfformat_reader{file_name}.read(text, options);
  } catch (const wfformat_refusal& refused) {
    return refused.failure;
  } catch (const json::exception&) {
    return error{errc::invalid_argument, file_name + ": holds text that is not valid UTF-8", {}};
  }
}

result<v1::PlanDocument> read_wfformat_file(const std::string& path, const wfformat_options& options) {
  const result<std::string> text = read_file_text(path);
  if (!text) return text.failure();
  result<v1::PlanDocument> document = read_wfformat(*text, path == "-" ? "stdin" : path, options);
  if (document && document->name().empty()) document->set_name(stem_of(path));
  return document;
}

}  // namespace hive::plan_files
