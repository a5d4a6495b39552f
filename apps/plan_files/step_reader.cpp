#include "apps/plan_files/step_reader.hpp"

#include <algorithm>
#include <cmath>

#include "apps/plan_files/process_fields.hpp"
#include "core/limits.hpp"

namespace hive::plan_files {
namespace {

const core::core_limits limits;
constexpr double permille = 1000.0;

std::vector<std::string> concatenated(std::vector<std::string> keys, const std::vector<std::string>& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

/// Labels given later win over those that stand there already.
void read_labels(const field& where, google::protobuf::RepeatedPtrField<v1::Label>& labels) {
  for (const auto& [key, value] : read_entries(where)) {
    if (key.empty() || key.size() > limits.name_bytes_max) {
      refuse(value, "a label's key has 1 to " + std::to_string(limits.name_bytes_max) + " bytes");
    }
    const std::string text = read_text(value);
    if (text.size() > limits.label_value_bytes_max) {
      refuse(value, "has " + std::to_string(text.size()) + " bytes; at most " +
                        std::to_string(limits.label_value_bytes_max) + " are allowed");
    }
    const auto same =
        std::find_if(labels.begin(), labels.end(), [&, &name = key](const auto& label) { return label.key() == name; });
    v1::Label* label = same == labels.end() ? labels.Add() : &*same;
    label->set_key(key);
    label->set_value(text);
  }
  if (labels.size() > static_cast<int>(limits.labels_max)) {
    refuse(where, "gives " + std::to_string(labels.size()) + " labels; at most " + std::to_string(limits.labels_max) +
                      " are allowed");
  }
}

void read_retry(const field& where, v1::RetryPolicy& retry) {
  const map_reader map{where, {"max_attempts", "backoff", "backoff_max", "multiplier", "jitter"}};
  if (const auto attempts = map.find("max_attempts")) {
    retry.set_max_attempts(static_cast<std::uint32_t>(read_integer(*attempts, 1, limits.attempts_max)));
  }
  if (const auto backoff = map.find("backoff")) retry.set_backoff_initial_ms(read_duration_ms(*backoff));
  if (const auto longest = map.find("backoff_max")) retry.set_backoff_max_ms(read_duration_ms(*longest));
  if (const auto multiplier = map.find("multiplier")) {
    retry.set_backoff_multiplier_permille(
        static_cast<std::uint32_t>(std::lround(read_number(*multiplier, 1, 100) * permille)));
  }
  if (const auto jitter = map.find("jitter")) {
    retry.set_jitter_permille(static_cast<std::uint32_t>(std::lround(read_number(*jitter, 0, 1) * permille)));
  }
}

void read_timeouts(const field& where, v1::Timeouts& timeouts) {
  const map_reader map{where, {"queue", "run", "total"}};
  if (const auto queue = map.find("queue")) timeouts.set_queue_ms(read_duration_ms(*queue));
  if (const auto run = map.find("run")) timeouts.set_run_ms(read_duration_ms(*run));
  if (const auto total = map.find("total")) timeouts.set_total_ms(read_duration_ms(*total));
}

const std::vector<std::string> shared_keys = {"type",          "priority", "requires", "labels",
                                              "worker_labels", "retry",    "timeouts"};

/// The keys that steps and defaults have in common.
void read_shared_fields(const map_reader& map, v1::TaskSpec& task) {
  if (const auto type = map.find("type")) task.set_type(read_name(*type, limits.name_bytes_max));
  if (const auto priority = map.find("priority")) {
    task.set_priority(static_cast<std::int32_t>(read_integer(*priority, INT32_MIN, INT32_MAX)));
  }
  if (const auto required = map.find("requires")) {
    task.clear_required_capabilities();
    for (const auto& name : read_texts(*required, limits.capabilities_max, limits.name_bytes_max)) {
      task.add_required_capabilities(name);
    }
  }
  if (const auto labels = map.find("labels")) read_labels(*labels, *task.mutable_labels());
  if (const auto selector = map.find("worker_labels")) read_labels(*selector, *task.mutable_worker_selector());
  if (const auto retry = map.find("retry")) read_retry(*retry, *task.mutable_retry());
  if (const auto timeouts = map.find("timeouts")) read_timeouts(*timeouts, *task.mutable_timeouts());
}

std::string serialized(const field& where, const json& payload) {
  std::string text;
  try {
    text = payload.dump();
  } catch (const json::exception&) {
    refuse(where, "is not valid UTF-8");
  }
  if (text.size() > limits.payload_bytes_max) {
    refuse(where, "the payload has " + std::to_string(text.size()) + " bytes; at most " +
                      std::to_string(limits.payload_bytes_max) + " are allowed");
  }
  return text;
}

/// The payload from `payload:`, or from the keys that describe a process.
void read_payload(const map_reader& map, const step_defaults& defaults, v1::TaskSpec& task) {
  const auto payload = map.find("payload");
  if (has_program(map)) {
    if (payload) refuse(*payload, "stands beside run, argv or script, which make the payload themselves");
    if (!task.type().empty() && task.type() != process_type) {
      const auto type = map.find("type");
      refuse(type ? *type : map.where(), "is '" + task.type() + "', but run, argv and script need type process");
    }
    task.set_type(process_type);
    json process = defaults.process;
    if (!map.find("script")) process.erase("interpreter");
    read_process_fields(map, process);
    if (const auto interpreter = map.find("interpreter"); interpreter && !map.find("script")) {
      refuse(*interpreter, "needs 'script'");
    }
    task.set_payload(serialized(map.where(), process));
    return;
  }
  for (const std::string& key : process_keys) {
    if (const auto stray = map.find(key)) refuse(*stray, "needs one of run, argv, script");
  }
  if (task.type().empty()) refuse(map.where(), "needs a type, or one of run, argv, script");
  if (payload) task.set_payload(serialized(*payload, to_json(*payload)));
}

}  // namespace

step_defaults read_defaults(const field& where) {
  const map_reader map{where, concatenated(shared_keys, process_default_keys)};
  step_defaults defaults;
  read_shared_fields(map, defaults.task);
  read_process_fields(map, defaults.process);
  return defaults;
}

v1::PlanStepSpec read_step(const field& where, const step_defaults& defaults) {
  static const std::vector<std::string> keys =
      concatenated(concatenated({"name", "needs", "title", "payload"}, shared_keys), process_keys);
  const map_reader map{where, keys};
  v1::PlanStepSpec step;
  step.set_name(read_name(map.require("name"), limits.name_bytes_max));
  *step.mutable_task() = defaults.task;
  if (const auto needs = map.find("needs")) {
    for (const auto& need : read_texts(*needs, limits.step_needs_max, limits.name_bytes_max)) step.add_needs(need);
  }
  if (const auto title = map.find("title")) step.mutable_task()->set_title(read_name(*title, limits.title_bytes_max));
  read_shared_fields(map, *step.mutable_task());
  read_payload(map, defaults, *step.mutable_task());
  return step;
}

}  // namespace hive::plan_files
