#include "replication/memory_log_store.hpp"

#include <cassert>

namespace hive::replication {

memory_log_store::undo_step& memory_log_store::note() {
  if (undo_.empty()) before_ = now_;
  return undo_.emplace_back();
}

void memory_log_store::abort() {
  if (undo_.empty()) return;
  for (auto step = undo_.rbegin(); step != undo_.rend(); ++step) {
    for (std::size_t i = 0; i < step->appended; ++i) entries_.pop_back();
    for (const entry_ptr& one : step->truncated) entries_.push_back(one);
    for (auto one = step->compacted.rbegin(); one != step->compacted.rend(); ++one) entries_.push_front(*one);
  }
  now_ = before_;
  undo_.clear();
}

stored_state memory_log_store::load() const {
  return {now_.term, now_.voted_for, now_.first, now_.first + entries_.size() - 1, now_.snapshot, now_.applied};
}

void memory_log_store::scan(log_index from, log_index through,
                            const std::function<void(log_index, const entry_ptr&)>& visit) const {
  for (log_index index = from; index <= through; ++index) {
    if (const entry_ptr entry = read(index)) visit(index, entry);
  }
}

entry_ptr memory_log_store::read(log_index index) const {
  if (index < now_.first || index - now_.first >= entries_.size()) return nullptr;
  return entries_[index - now_.first];
}

void memory_log_store::save_vote(term_number term, node_id voted_for) {
  note();
  now_.term = term;
  now_.voted_for = voted_for;
}

void memory_log_store::append(log_index index, const entry_ptr& entry) {
  assert(index == now_.first + entries_.size());
  static_cast<void>(index);
  note().appended = 1;
  entries_.push_back(entry);
}

void memory_log_store::truncate(log_index from, log_index last) {
  undo_step& step = note();
  step.truncated.assign(entries_.begin() + static_cast<std::ptrdiff_t>(from - now_.first), entries_.end());
  assert(step.truncated.size() == last + 1 - from);
  static_cast<void>(last);
  entries_.resize(from - now_.first);
}

void memory_log_store::compact(log_index first, log_index through) {
  assert(first == now_.first);
  undo_step& step = note();
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(through + 1 - first);
  step.compacted.assign(entries_.begin(), end);
  entries_.erase(entries_.begin(), end);
  now_.first = through + 1;
}

void memory_log_store::reset(log_index first) {
  undo_step& step = note();
  step.compacted.assign(entries_.begin(), entries_.end());
  entries_.clear();
  now_.first = first;
}

void memory_log_store::save_snapshot(const state_point& point) {
  note();
  now_.snapshot = point;
}

void memory_log_store::save_applied(const state_point& point) {
  note();
  now_.applied = point;
}

}  // namespace hive::replication
