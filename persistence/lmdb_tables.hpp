#pragma once

#include <lmdb++.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>

#include "persistence/store.hpp"

namespace hive::persistence {

using table_handles = std::array<MDB_dbi, core::table_count>;

/// Pages of the environment as of the last commit. Written by the writer, read by anyone.
struct page_figures {
  std::atomic<std::uint64_t> used{0};  // reachable, the two meta pages included
  std::atomic<std::uint64_t> free{0};  // in the free list
  std::atomic<std::uint64_t> commits{0};
};

/// What transactions share with their store. Lives as long as the store, which outlives them.
struct lmdb_context {
  MDB_env* env = nullptr;
  table_handles tables{};
  MDB_dbi version_table = 0;
  std::filesystem::path file;
  page_figures pages;
  std::atomic<bool> is_writing{false};
  std::atomic<bool> has_failed_for_room{false};  // the last commit found the disk full
  MDB_txn* usage_reader = nullptr;               // the writer's own, reset between uses

  /// Reads page_figures anew. Called by the writer after a commit. O(number of tables).
  void refresh_pages();
};

/// A read transaction of one snapshot. Any thread, one at a time (MDB_NOTLS).
class lmdb_snapshot final : public read_snapshot {
 public:
  explicit lmdb_snapshot(lmdb_context& context);
  ~lmdb_snapshot() override;
  [[nodiscard]] std::optional<std::string_view> get(core::table where, std::string_view key) const override;
  void scan(core::table where, std::string_view from, const core::scan_visitor& visit) const override;
  void scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const override;
  [[nodiscard]] std::uint64_t size(core::table where) const override;

 private:
  lmdb_context& context_;
  MDB_txn* transaction_ = nullptr;
};

class lmdb_write_transaction final : public write_transaction {
 public:
  explicit lmdb_write_transaction(lmdb_context& context);
  ~lmdb_write_transaction() override;
  [[nodiscard]] std::optional<std::string_view> get(core::table where, std::string_view key) const override;
  void scan(core::table where, std::string_view from, const core::scan_visitor& visit) const override;
  void scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const override;
  [[nodiscard]] std::uint64_t size(core::table where) const override;
  void put(core::table where, std::string_view key, std::string_view value) override;
  void append(core::table where, std::string_view key, std::string_view value) override;
  bool erase(core::table where, std::string_view key) override;
  result<void> commit() override;

 private:
  void check_key(core::table where, std::string_view key) const;
  /// Remembers the failure, so that a later commit() reports it, and throws it.
  [[noreturn]] void fail(int code, const char* doing);
  [[nodiscard]] MDB_txn* open_transaction() const;
  void end();

  lmdb_context& context_;
  MDB_txn* transaction_ = nullptr;
  bool has_changes_ = false;
  std::optional<error> failure_;
};

}  // namespace hive::persistence
