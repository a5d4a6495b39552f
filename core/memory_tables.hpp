#pragma once

#include <array>
#include <map>
#include <string>

#include "core/table.hpp"

namespace hive::core {

/// Tables in memory, for tests and simulations: an ordered map each. Changes are visible at once;
/// copy the object to keep a snapshot.
class memory_tables final : public table_transaction {
 public:
  memory_tables() = default;
  memory_tables(const memory_tables& other) : tables_(other.tables_) {}
  memory_tables& operator=(const memory_tables& other) {
    tables_ = other.tables_;
    return *this;
  }

  [[nodiscard]] std::optional<std::string_view> get(table where, std::string_view key) const override;
  void scan(table where, std::string_view from, const scan_visitor& visit) const override;
  void scan_back(table where, std::string_view before, const scan_visitor& visit) const override;
  [[nodiscard]] std::uint64_t size(table where) const override;
  void put(table where, std::string_view key, std::string_view value) override;
  bool erase(table where, std::string_view key) override;

  friend bool operator==(const memory_tables& left, const memory_tables& right) {
    return left.tables_ == right.tables_;
  }

 private:
  using ordered_table = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] const ordered_table& at(table where) const { return tables_[static_cast<std::size_t>(where)]; }
  ordered_table& at(table where) { return tables_[static_cast<std::size_t>(where)]; }

  std::array<ordered_table, table_count> tables_;
};

}  // namespace hive::core
