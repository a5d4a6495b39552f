#pragma once

#include <cstdint>
#include <deque>

#include "replication/types.hpp"

namespace hive::replication {

/// The end of the log in memory, for sending and applying: consecutive entries, bounded by bytes.
class entry_cache {
 public:
  explicit entry_cache(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  /// `index` is the last one plus one, or the cache is empty.
  void append(log_index index, entry_ptr entry);
  /// Drops `from` and everything after it.
  void truncate(log_index from);
  /// Drops everything up to `through`.
  void drop_through(log_index through);
  void clear();
  /// Null if it is not here.
  [[nodiscard]] entry_ptr find(log_index index) const;

 private:
  void drop_front();

  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  log_index first_ = 1;
  std::deque<entry_ptr> entries_;
};

/// What an entry takes in memory, about.
constexpr std::uint64_t entry_overhead_bytes = 64;
inline std::uint64_t bytes_of(const log_entry& entry) { return entry.payload.size() + entry_overhead_bytes; }

}  // namespace hive::replication
