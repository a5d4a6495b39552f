#include "core/counter_table.hpp"

#include "core/keys.hpp"

namespace hive::core {

counter_table::cell& counter_table::at(std::string_view name) {
  const auto found = cells_.find(name);
  if (found != cells_.end()) return found->second;
  cell& added = cells_[std::string{name}];
  added.name = name;
  return added;
}

std::int64_t counter_table::value(std::string_view name) const {
  const auto found = cells_.find(name);
  return found == cells_.end() ? 0 : found->second.value;
}

void counter_table::clear() {
  dirty_.clear();
  cells_.clear();
}

void counter_table::load(const table_reader& tables) {
  clear();
  tables.scan(table::counter, {}, [this](std::string_view name, std::string_view value) {
    if (value.size() != 8) throw table_error(errc::data_loss, "a counter's value is not 8 bytes");
    at(name).value = static_cast<std::int64_t>(read_u64(value, 0));
    return true;
  });
}

void counter_table::flush(table_transaction& tables) {
  for (cell* counter : dirty_) {
    counter->is_dirty = false;
    if (counter->value == 0) {
      tables.erase(table::counter, counter->name);
    } else {
      tables.put(table::counter, counter->name, key{}.u64(static_cast<std::uint64_t>(counter->value)));
    }
  }
  dirty_.clear();
}

}  // namespace hive::core
