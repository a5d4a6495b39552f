#include "client/text_rules.hpp"

#include "base/utf8.hpp"

namespace hive {
namespace {

result<void> check(const std::string& text, const char* field) {
  if (is_utf8(text)) return {};
  return error{errc::invalid_argument, "must be UTF-8 text", field};
}

template <class List>
result<void> check_all(const List& texts, const char* field) {
  for (const auto& one : texts) {
    if (auto checked = check(one, field); !checked) return checked;
  }
  return {};
}

template <class List>
result<void> check_labels(const List& labels, const char* field) {
  for (const auto& one : labels) {
    if (!is_utf8(one.key()) || !is_utf8(one.value())) return error{errc::invalid_argument, "must be UTF-8 text", field};
  }
  return {};
}

}  // namespace

result<void> check_texts(const v1::TaskSpec& spec) {
  if (auto checked = check(spec.title(), "title"); !checked) return checked;
  if (auto checked = check(spec.type(), "type"); !checked) return checked;
  if (auto checked = check(spec.content_type(), "content_type"); !checked) return checked;
  if (auto checked = check(spec.idempotency_key(), "idempotency_key"); !checked) return checked;
  if (auto checked = check_all(spec.required_capabilities(), "required_capabilities"); !checked) return checked;
  if (auto checked = check_labels(spec.labels(), "labels"); !checked) return checked;
  return check_labels(spec.worker_selector(), "worker_selector");
}

result<void> check_texts(const v1::WorkerSpec& spec) {
  if (auto checked = check(spec.name(), "name"); !checked) return checked;
  if (auto checked = check(spec.role(), "role"); !checked) return checked;
  if (auto checked = check_all(spec.capabilities(), "capabilities"); !checked) return checked;
  if (auto checked = check_labels(spec.labels(), "labels"); !checked) return checked;
  return check_all(spec.task_types(), "task_types");
}

}  // namespace hive
