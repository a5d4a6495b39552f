#include "core/memory_tables.hpp"

namespace hive::core {

std::optional<std::string_view> memory_tables::get(table where, std::string_view key) const {
  const auto entry = at(where).find(key);
  if (entry == at(where).end()) return std::nullopt;
  return entry->second;
}

void memory_tables::scan(table where, std::string_view from, const scan_visitor& visit) const {
  for (auto entry = at(where).lower_bound(from); entry != at(where).end(); ++entry) {
    if (!visit(entry->first, entry->second)) return;
  }
}

void memory_tables::scan_back(table where, std::string_view before, const scan_visitor& visit) const {
  auto entry = before.empty() ? at(where).end() : at(where).lower_bound(before);
  while (entry != at(where).begin()) {
    --entry;
    if (!visit(entry->first, entry->second)) return;
  }
}

std::uint64_t memory_tables::size(table where) const { return at(where).size(); }

void memory_tables::put(table where, std::string_view key, std::string_view value) {
  at(where).insert_or_assign(std::string{key}, std::string{value});
}

bool memory_tables::erase(table where, std::string_view key) {
  const auto entry = at(where).find(key);
  if (entry == at(where).end()) return false;
  at(where).erase(entry);
  return true;
}

}  // namespace hive::core
