#include <algorithm>
#include <string>
#include <string_view>

#include "core/plan_validator.hpp"
#include "core/text_rules.hpp"

namespace hive::core {
namespace {

constexpr std::uint32_t role_bytes_max = 64;
constexpr std::uint32_t worker_labels_max = 64;
constexpr std::uint32_t backoff_multiplier_permille_min = 1'000;
constexpr std::uint32_t backoff_multiplier_permille_max = 100'000;
constexpr std::uint32_t jitter_permille_max = 1'000;
constexpr const char* content_type_default = "application/json";

using string_list = google::protobuf::RepeatedPtrField<std::string>;
using label_list = google::protobuf::RepeatedPtrField<v1::Label>;

/// A list of names: bounded, each a valid name; then sorted and without repetitions, so that equal sets
/// have equal bytes.
result<void> normalize_names(string_list& names, std::uint32_t count_max, const core_limits& limits,
                             const std::string& path) {
  if (static_cast<std::uint64_t>(names.size()) > count_max) {
    return invalid(path, "at most " + std::to_string(count_max) + " entries, got " + std::to_string(names.size()));
  }
  for (int i = 0; i < names.size(); ++i) {
    if (auto checked = check_name(names[i], limits.name_bytes_max, path + index_path(i)); !checked) return checked;
  }
  std::sort(names.pointer_begin(), names.pointer_end(),
            [](const std::string* left, const std::string* right) { return *left < *right; });
  const auto end = std::unique(names.begin(), names.end());
  names.DeleteSubrange(static_cast<int>(end - names.begin()), static_cast<int>(names.end() - end));
  return {};
}

/// Labels: bounded, keys are names, each key once; then sorted by key.
result<void> normalize_labels(label_list& labels, std::uint32_t count_max, const core_limits& limits,
                              const std::string& path) {
  if (static_cast<std::uint64_t>(labels.size()) > count_max) {
    return invalid(path, "at most " + std::to_string(count_max) + " labels, got " + std::to_string(labels.size()));
  }
  for (int i = 0; i < labels.size(); ++i) {
    const std::string at = path + index_path(i);
    if (auto checked = check_name(labels[i].key(), limits.name_bytes_max, at + ".key"); !checked) return checked;
    if (auto checked = check_text(labels[i].value(), limits.label_value_bytes_max, at + ".value"); !checked) {
      return checked;
    }
    for (int before = 0; before < i; ++before) {  // at most 64 labels: no need for a set
      if (labels[before].key() == labels[i].key()) {
        return invalid(at + ".key", "label key " + quoted(labels[i].key()) + " is given twice");
      }
    }
  }
  std::sort(labels.pointer_begin(), labels.pointer_end(),
            [](const v1::Label* left, const v1::Label* right) { return left->key() < right->key(); });
  return {};
}

result<void> normalize_retry(v1::RetryPolicy& retry, const core_limits& limits, const std::string& path) {
  if (retry.max_attempts() > limits.attempts_max) {
    return out_of_range(path + "max_attempts", retry.max_attempts(), 1, limits.attempts_max);
  }
  if (retry.jitter_permille() > jitter_permille_max) {
    return out_of_range(path + "jitter_permille", retry.jitter_permille(), 0, jitter_permille_max);
  }
  const std::uint32_t multiplier = retry.backoff_multiplier_permille();
  if (multiplier != 0 &&
      (multiplier < backoff_multiplier_permille_min || multiplier > backoff_multiplier_permille_max)) {
    return out_of_range(path + "backoff_multiplier_permille", multiplier, backoff_multiplier_permille_min,
                        backoff_multiplier_permille_max);
  }
  if (auto checked = check_duration(retry.backoff_initial_ms(), path + "backoff_initial_ms"); !checked) return checked;
  if (auto checked = check_duration(retry.backoff_max_ms(), path + "backoff_max_ms"); !checked) return checked;

  if (retry.max_attempts() == 0) retry.set_max_attempts(limits.retry_attempts);
  if (multiplier == 0) retry.set_backoff_multiplier_permille(limits.backoff_multiplier_permille);
  if (retry.backoff_initial_ms() == 0) {
    const bool is_below = retry.backoff_max_ms() != 0 && retry.backoff_max_ms() < limits.backoff_initial_ms;
    retry.set_backoff_initial_ms(is_below ? retry.backoff_max_ms() : limits.backoff_initial_ms);
  }
  if (retry.backoff_max_ms() == 0) {
    retry.set_backoff_max_ms(std::max(limits.backoff_max_ms, retry.backoff_initial_ms()));
  }
  if (retry.backoff_max_ms() < retry.backoff_initial_ms()) {
    return invalid(path + "backoff_max_ms", "is " + std::to_string(retry.backoff_max_ms()) +
                                                ", below backoff_initial_ms " +
                                                std::to_string(retry.backoff_initial_ms()));
  }
  return {};
}

result<void> check_timeouts(const v1::Timeouts& timeouts, const std::string& path) {
  if (auto checked = check_duration(timeouts.queue_ms(), path + "queue_ms"); !checked) return checked;
  if (auto checked = check_duration(timeouts.run_ms(), path + "run_ms"); !checked) return checked;
  return check_duration(timeouts.total_ms(), path + "total_ms");
}

result<void> check_spec_texts(const v1::TaskSpec& spec, const core_limits& limits, const std::string& path) {
  if (auto checked = check_text(spec.title(), limits.title_bytes_max, path + "title"); !checked) return checked;
  if (auto checked = check_name(spec.type(), limits.name_bytes_max, path + "type"); !checked) return checked;
  if (spec.payload().size() > limits.payload_bytes_max) {
    return invalid(path + "payload", "is " + std::to_string(spec.payload().size()) + " bytes long; at most " +
                                         std::to_string(limits.payload_bytes_max));
  }
  if (!spec.content_type().empty()) {
    auto checked = check_name(spec.content_type(), limits.name_bytes_max, path + "content_type");
    if (!checked) return checked;
  }
  if (!spec.idempotency_key().empty()) {
    return check_name(spec.idempotency_key(), limits.name_bytes_max, path + "idempotency_key");
  }
  return {};
}

}  // namespace

result<void> normalize_spec(v1::TaskSpec& spec, const core_limits& limits, const std::string& path) {
  if (auto checked = check_spec_texts(spec, limits, path); !checked) return checked;
  if (spec.not_before_unix_ms() < 0 || spec.not_before_unix_ms() > time_unix_ms_max) {
    return out_of_range(path + "not_before_unix_ms", spec.not_before_unix_ms(), 0, time_unix_ms_max);
  }
  if (spec.plan_id() != 0) return invalid(path + "plan_id", "is set by the node; leave it out");
  if (spec.step_index() != 0) return invalid(path + "step_index", "is set by the node; leave it out");
  if (auto checked = check_timeouts(spec.timeouts(), path + "timeouts."); !checked) return checked;

  auto names = normalize_names(*spec.mutable_required_capabilities(), limits.capabilities_max, limits,
                               path + "required_capabilities");
  if (!names) return names;
  auto labels = normalize_labels(*spec.mutable_labels(), limits.labels_max, limits, path + "labels");
  if (!labels) return labels;
  auto selector =
      normalize_labels(*spec.mutable_worker_selector(), limits.labels_max, limits, path + "worker_selector");
  if (!selector) return selector;
  if (auto retry = normalize_retry(*spec.mutable_retry(), limits, path + "retry."); !retry) return retry;

  if (spec.content_type().empty()) spec.set_content_type(content_type_default);
  const v1::Timeouts& timeouts = spec.timeouts();
  if (timeouts.queue_ms() == 0 && timeouts.run_ms() == 0 && timeouts.total_ms() == 0) spec.clear_timeouts();
  return {};
}

result<void> normalize_worker(v1::WorkerSpec& spec, const core_limits& limits) {
  if (auto checked = check_name(spec.name(), limits.name_bytes_max, "spec.name"); !checked) return checked;
  if (auto checked = check_text(spec.role(), role_bytes_max, "spec.role"); !checked) return checked;
  if (spec.slots() > limits.slots_max) return out_of_range("spec.slots", spec.slots(), 0, limits.slots_max);
  auto capabilities =
      normalize_names(*spec.mutable_capabilities(), limits.worker_capabilities_max, limits, "spec.capabilities");
  if (!capabilities) return capabilities;
  auto types = normalize_names(*spec.mutable_task_types(), limits.worker_capabilities_max, limits, "spec.task_types");
  if (!types) return types;
  return normalize_labels(*spec.mutable_labels(), worker_labels_max, limits, "spec.labels");
}

}  // namespace hive::core
