#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string_view>

#include "core/memory_tables.hpp"
#include "persistence/store.hpp"

namespace hive::test {

/// A store in memory whose commits can be made to fail.
class memory_store final : public persistence::store {
 public:
  /// The next commits fail with this, as many as said; their changes are gone.
  void fail_commits(error failure, int count) {
    failure_ = std::move(failure);
    failures_left_ = count;
  }
  /// Called with the value of every put; may throw what the store would (core::table_error).
  void on_put(std::function<void(core::table, std::string_view)> hook) { hook_ = std::move(hook); }
  void set_nearly_full(bool is_full) { is_full_ = is_full; }
  [[nodiscard]] int commits() const { return commits_; }
  /// Called when a copy begins.
  void on_copy(std::function<void()> hook) { copy_hook_ = std::move(hook); }
  void fail_copies(std::optional<error> failure) { copy_failure_ = std::move(failure); }
  [[nodiscard]] int copies() const { return copies_; }
  [[nodiscard]] const core::memory_tables& tables() const { return tables_; }

  std::unique_ptr<persistence::read_snapshot> read() override { return std::make_unique<snapshot>(tables_); }
  std::unique_ptr<persistence::write_transaction> write() override { return std::make_unique<transaction>(*this); }
  [[nodiscard]] persistence::storage_figures figures() const override { return {}; }
  [[nodiscard]] bool is_nearly_full() const override { return is_full_; }
  /// Not a copy that opens: the number of commits that it holds, as text.
  result<void> copy_to(const std::filesystem::path& target) override {
    if (copy_hook_) copy_hook_();
    if (copy_failure_) return *copy_failure_;
    ++copies_;
    std::filesystem::create_directories(target);
    std::ofstream(target / "data.mdb", std::ios::binary) << "state of " << commits_ << " commits";
    return {};
  }

 private:
  struct snapshot final : persistence::read_snapshot {
    explicit snapshot(const core::memory_tables& tables) : copy(tables) {}
    [[nodiscard]] std::optional<std::string_view> get(core::table where, std::string_view key) const override {
      return copy.get(where, key);
    }
    void scan(core::table where, std::string_view from, const core::scan_visitor& visit) const override {
      copy.scan(where, from, visit);
    }
    void scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const override {
      copy.scan_back(where, before, visit);
    }
    [[nodiscard]] std::uint64_t size(core::table where) const override { return copy.size(where); }
    core::memory_tables copy;
  };

  struct transaction final : persistence::write_transaction {
    explicit transaction(memory_store& store) : owner(store), copy(store.tables_) {}
    [[nodiscard]] std::optional<std::string_view> get(core::table where, std::string_view key) const override {
      return copy.get(where, key);
    }
    void scan(core::table where, std::string_view from, const core::scan_visitor& visit) const override {
      copy.scan(where, from, visit);
    }
    void scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const override {
      copy.scan_back(where, before, visit);
    }
    [[nodiscard]] std::uint64_t size(core::table where) const override { return copy.size(where); }
    void put(core::table where, std::string_view key, std::string_view value) override {
      if (owner.hook_) owner.hook_(where, value);
      copy.put(where, key, value);
    }
    bool erase(core::table where, std::string_view key) override { return copy.erase(where, key); }
    result<void> commit() override {
      if (owner.failures_left_ > 0) {
        --owner.failures_left_;
        return owner.failure_;
      }
      owner.tables_ = copy;
      ++owner.commits_;
      return {};
    }
    memory_store& owner;
    core::memory_tables copy;
  };

  core::memory_tables tables_;
  error failure_;
  std::optional<error> copy_failure_;
  std::function<void(core::table, std::string_view)> hook_;
  std::function<void()> copy_hook_;
  int failures_left_ = 0;
  int commits_ = 0;
  int copies_ = 0;
  bool is_full_ = false;
};

}  // namespace hive::test
