#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/table.hpp"

namespace hive::core {

/// The counters of table::counter in memory: changed by commands, written once a batch. A counter that
/// is 0 has no row, so that the tables do not depend on where the batches ended.
class counter_table {
 public:
  /// One counter. Its address is stable until clear().
  struct cell {
    std::string name;
    std::int64_t value = 0;
    bool is_dirty = false;
  };

  /// Never fails: an unknown name starts at 0.
  cell& at(std::string_view name);
  [[nodiscard]] std::int64_t value(std::string_view name) const;
  void add(cell& counter, std::int64_t delta) {
    counter.value += delta;
    if (counter.is_dirty) return;
    counter.is_dirty = true;
    dirty_.push_back(&counter);
  }
  void add(std::string_view name, std::int64_t delta) { add(at(name), delta); }

  void clear();
  void load(const table_reader& tables);
  void flush(table_transaction& tables);

 private:
  std::map<std::string, cell, std::less<>> cells_;
  std::vector<cell*> dirty_;
};

}  // namespace hive::core
