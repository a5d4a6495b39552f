#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace hive::replication::testing {

/// What clients saw of a few registers, and whether it is linearizable: whether every operation can be given one moment
/// between its call and its answer so that each read returns the last write (Herlihy and Wing, 1990). The search is
/// that of Wing and Gong (1993) with Lowe's memory of configurations seen (2017), key by key, which linearizability
/// allows.
class register_history {
 public:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::size_t operations_per_key_max = 1000;

  struct operation {
    std::uint64_t called = 0;
    std::uint64_t answered = never;  // never: it may take effect at any time from its call on, or not at all
    bool is_write = false;
    std::uint64_t value = 0;  // written or read; a register begins as 0
  };

  /// Order of events, not time: two events never happen at once.
  std::uint64_t next_event() { return ++clock_; }
  [[nodiscard]] bool has_room(std::uint64_t key) const;
  /// Returns the number of the operation. Every value is written once and is not 0.
  std::size_t call_write(std::uint64_t key, std::uint64_t value);
  std::size_t call_read(std::uint64_t key);
  void answer(std::uint64_t key, std::size_t number, std::uint64_t value);
  /// It certainly did not happen, or it was a read that nobody got.
  void forget(std::uint64_t key, std::size_t number);

  /// The first key whose operations cannot be put in order, with all of them; empty if there is none.
  [[nodiscard]] std::string find_violation() const;

 private:
  struct entry {
    operation what;
    bool is_forgotten = false;
  };
  std::uint64_t clock_ = 0;
  std::map<std::uint64_t, std::vector<entry>> keys_;
};

/// One register's operations, all of which took effect (reads have answers). Written values are unique and not 0.
bool is_linearizable(const std::vector<register_history::operation>& operations);

}  // namespace hive::replication::testing
