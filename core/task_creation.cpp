#include <algorithm>

#include "core/machine_state.hpp"

namespace hive::core {
namespace {

error invalid(std::string message, std::string field) {
  return {errc::invalid_argument, std::move(message), std::move(field)};
}

std::optional<error> check_name(std::string_view name, std::uint32_t bytes_max, const std::string& field) {
  if (name.empty()) return invalid("must not be empty", field);
  if (name.size() > bytes_max) return invalid("is longer than " + std::to_string(bytes_max) + " bytes", field);
  return std::nullopt;
}

template <class List, class KeyOf, class CheckEntry>
std::optional<error> check_sorted(const List& list, std::uint32_t count_max, const std::string& field, KeyOf key_of,
                                  CheckEntry check_entry) {
  if (static_cast<std::uint64_t>(list.size()) > count_max) {
    return invalid("has more than " + std::to_string(count_max) + " entries", field);
  }
  for (int i = 0; i < list.size(); ++i) {
    const std::string at = field + "[" + std::to_string(i) + "]";
    if (auto failure = check_entry(list[i], at)) return failure;
    if (i > 0 && !(key_of(list[i - 1]) < key_of(list[i]))) return invalid("is not sorted or occurs twice", at);
  }
  return std::nullopt;
}

std::optional<error> check_labels(const google::protobuf::RepeatedPtrField<v1::Label>& labels,
                                  const core_limits& limits, const std::string& field) {
  return check_sorted(
      labels, limits.labels_max, field, [](const v1::Label& label) -> const std::string& { return label.key(); },
      [&](const v1::Label& label, const std::string& at) -> std::optional<error> {
        if (auto failure = check_name(label.key(), limits.name_bytes_max, at + ".key")) return failure;
        if (label.value().size() > limits.label_value_bytes_max) {
          return invalid("is longer than " + std::to_string(limits.label_value_bytes_max) + " bytes", at + ".value");
        }
        return std::nullopt;
      });
}

std::optional<error> check_retry(const v1::RetryPolicy& retry, const core_limits& limits, const std::string& path) {
  constexpr std::uint32_t permille = 1000;
  constexpr std::uint32_t multiplier_permille_max = 100'000;
  if (retry.max_attempts() > limits.attempts_max) {
    return invalid("is more than " + std::to_string(limits.attempts_max), path + "max_attempts");
  }
  if (retry.backoff_initial_ms() < 0) return invalid("is negative", path + "backoff_initial_ms");
  if (retry.backoff_max_ms() < 0) return invalid("is negative", path + "backoff_max_ms");
  const std::uint32_t multiplier = retry.backoff_multiplier_permille();
  if (multiplier != 0 && (multiplier < permille || multiplier > multiplier_permille_max)) {
    return invalid("must be 1000 to 100000", path + "backoff_multiplier_permille");
  }
  if (retry.jitter_permille() > permille) return invalid("is more than 1000", path + "jitter_permille");
  return std::nullopt;
}

std::optional<error> check_times(const v1::TaskSpec& spec, const std::string& path) {
  if (spec.not_before_unix_ms() < 0) return invalid("is negative", path + "not_before_unix_ms");
  if (spec.timeouts().queue_ms() < 0) return invalid("is negative", path + "timeouts.queue_ms");
  if (spec.timeouts().run_ms() < 0) return invalid("is negative", path + "timeouts.run_ms");
  if (spec.timeouts().total_ms() < 0) return invalid("is negative", path + "timeouts.total_ms");
  return std::nullopt;
}

}  // namespace

std::optional<error> check_spec(const core_limits& limits, const v1::TaskSpec& spec, const std::string& path) {
  const auto too_long = [](std::size_t size, std::uint64_t bytes_max) { return size > bytes_max; };
  if (auto failure = check_name(spec.type(), limits.name_bytes_max, path + "type")) return failure;
  if (too_long(spec.title().size(), limits.title_bytes_max)) {
    return invalid("is longer than " + std::to_string(limits.title_bytes_max) + " bytes", path + "title");
  }
  if (too_long(spec.payload().size(), limits.payload_bytes_max)) {
    return invalid("is longer than " + std::to_string(limits.payload_bytes_max) + " bytes", path + "payload");
  }
  if (too_long(spec.content_type().size(), limits.name_bytes_max)) {
    return invalid("is longer than " + std::to_string(limits.name_bytes_max) + " bytes", path + "content_type");
  }
  if (too_long(spec.idempotency_key().size(), limits.name_bytes_max)) {
    return invalid("is longer than " + std::to_string(limits.name_bytes_max) + " bytes", path + "idempotency_key");
  }
  if (auto failure = check_sorted(
          spec.required_capabilities(), limits.capabilities_max, path + "required_capabilities",
          [](const std::string& name) -> const std::string& { return name; },
          [&](const std::string& name, const std::string& at) {
            return check_name(name, limits.name_bytes_max, at);
          })) {
    return failure;
  }
  if (auto failure = check_labels(spec.labels(), limits, path + "labels")) return failure;
  if (auto failure = check_labels(spec.worker_selector(), limits, path + "worker_selector")) return failure;
  if (auto failure = check_retry(spec.retry(), limits, path + "retry.")) return failure;
  return check_times(spec, path);
}

std::optional<error> check_signature(const context& on, const v1::TaskSpec& spec) {
  const std::uint32_t count_max = on.state.limits.signatures_max;
  if (on.state.signatures.size() < count_max) return std::nullopt;
  if (on.state.signatures.find(signature_table::canonical(spec))) return std::nullopt;
  return error{errc::resource_exhausted,
               "there are " + std::to_string(count_max) +
                   " different combinations of type, capabilities and worker selector already",
               "type"};
}

v1::TaskStatus new_status(context& on, const v1::TaskSpec& spec) {
  machine_state& state = on.state;
  bool is_new = false;
  const std::uint32_t signature = state.signatures.intern(spec, state.counters, on.tables, is_new);
  if (is_new) {
    state.meta.next_signature = state.signatures.size() + 1ULL;
    for (auto& [id, worker] : state.workers) {
      if (fits(state.signatures.at(signature).record, worker.record.spec())) worker.signatures.push_back(signature);
    }
  }
  v1::TaskStatus status;
  status.set_signature_id(signature);
  status.set_priority(spec.priority());
  status.set_created_unix_ms(on.now);
  status.set_not_before_unix_ms(spec.not_before_unix_ms());
  status.set_plan_id(spec.plan_id());
  status.set_step_index(spec.step_index());
  const v1::Timeouts& timeouts = spec.timeouts();
  status.set_has_timeouts(timeouts.queue_ms() > 0 || timeouts.run_ms() > 0 || timeouts.total_ms() > 0);
  return status;
}

task_id take_task_ids(context& on, std::uint64_t count) {
  const task_id first{make_id(on.state.shard, on.state.meta.next_task)};
  on.state.meta.next_task += count;
  return first;
}

void arm_total_timeout(context& on, task_id id, const v1::TaskStatus& status, const v1::TaskSpec& spec) {
  if (spec.timeouts().total_ms() <= 0) return;
  arm_timer(on, due_after(status.created_unix_ms(), spec.timeouts().total_ms()), timer_kind::total_timeout, id.value);
}

v1::TaskStatus create_task(context& on, task_id id, const v1::TaskSpec& spec) {
  v1::TaskStatus status = new_status(on, spec);
  const key row = key{}.u64(id.value);
  append_message(on, table::task_spec, row, spec);
  if (!spec.idempotency_key().empty()) {
    on.tables.put(table::idempotency, key{}.bytes("t").bytes(spec.idempotency_key()), row);
  }
  enter_ready(on, id, status, v1::REASON_WAITS_FOR_WORKER, {}, &spec);
  arm_total_timeout(on, id, status, spec);
  const event_seq created = emit_task(on, "task.created", id, status, {.due_unix_ms = status.due_unix_ms()});
  status.set_created_seq(created.value);
  if (status.state() == v1::TASK_STATE_QUEUED) emit_task(on, "task.queued", id, status);
  append_message(on, table::task_status, row, status);
  return status;
}

}  // namespace hive::core
