#include "replication/entry_cache.hpp"

namespace hive::replication {

void entry_cache::append(log_index index, entry_ptr entry) {
  if (index != first_ + entries_.size()) clear();
  if (entries_.empty()) first_ = index;
  bytes_ += bytes_of(*entry);
  entries_.push_back(std::move(entry));
  while (bytes_ > bytes_max_ && entries_.size() > 1) drop_front();
}

void entry_cache::truncate(log_index from) {
  while (!entries_.empty() && first_ + entries_.size() > from) {
    bytes_ -= bytes_of(*entries_.back());
    entries_.pop_back();
  }
}

void entry_cache::drop_through(log_index through) {
  while (!entries_.empty() && first_ <= through) drop_front();
}

void entry_cache::clear() {
  entries_.clear();
  bytes_ = 0;
}

entry_ptr entry_cache::find(log_index index) const {
  if (index < first_ || index - first_ >= entries_.size()) return nullptr;
  return entries_[index - first_];
}

void entry_cache::drop_front() {
  bytes_ -= bytes_of(*entries_.front());
  entries_.pop_front();
  ++first_;
}

}  // namespace hive::replication
