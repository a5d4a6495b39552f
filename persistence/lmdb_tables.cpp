#include "persistence/lmdb_tables.hpp"

#include <string>

#include "persistence/lmdb_failure.hpp"

namespace hive::persistence {

namespace {

constexpr std::size_t key_bytes_max = 511;  // LMDB's own, as it is built by default
constexpr std::uint64_t meta_pages = 2;
constexpr MDB_dbi free_list_handle = 0;  // fixed by LMDB
constexpr MDB_dbi main_handle = 1;

MDB_val to_val(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
std::string_view to_view(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }
MDB_dbi handle_of(const lmdb_context& context, core::table where) {
  return context.tables[static_cast<std::size_t>(where)];
}

/// A cursor that is closed before its transaction ends.
class open_cursor {
 public:
  open_cursor(MDB_txn* transaction, MDB_dbi handle) { lmdb::cursor_open(transaction, handle, &cursor_); }
  ~open_cursor() { lmdb::cursor_close(cursor_); }
  open_cursor(const open_cursor&) = delete;
  open_cursor& operator=(const open_cursor&) = delete;
  bool move(MDB_val& key, MDB_val& value, MDB_cursor_op how) { return lmdb::cursor_get(cursor_, &key, &value, how); }

 private:
  MDB_cursor* cursor_ = nullptr;
};

std::optional<std::string_view> get_value(const lmdb_context& context, MDB_txn* transaction, core::table where,
                                          std::string_view text) {
  if (text.empty() || text.size() > key_bytes_max) return std::nullopt;  // no such key can be there
  const MDB_val key = to_val(text);
  MDB_val value{};
  try {
    if (!lmdb::dbi_get(transaction, handle_of(context, where), &key, &value)) return std::nullopt;
  } catch (const lmdb::error& failure) {
    raise(failure.code(), "cannot read", context.file);
  }
  return to_view(value);
}

void scan_up(const lmdb_context& context, MDB_txn* transaction, core::table where, std::string_view from,
             const core::scan_visitor& visit) {
  try {
    open_cursor cursor{transaction, handle_of(context, where)};
    MDB_val key = to_val(from);
    MDB_val value{};
    bool is_there = cursor.move(key, value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    while (is_there && visit(to_view(key), to_view(value))) is_there = cursor.move(key, value, MDB_NEXT);
  } catch (const lmdb::error& failure) {
    raise(failure.code(), "cannot scan", context.file);
  }
}

void scan_down(const lmdb_context& context, MDB_txn* transaction, core::table where, std::string_view before,
               const core::scan_visitor& visit) {
  try {
    open_cursor cursor{transaction, handle_of(context, where)};
    MDB_val key = to_val(before);
    MDB_val value{};
    // The first key that is not smaller than `before`: the scan starts one before it.
    const bool has_bound = !before.empty() && cursor.move(key, value, MDB_SET_RANGE);
    bool is_there = cursor.move(key, value, has_bound ? MDB_PREV : MDB_LAST);
    while (is_there && visit(to_view(key), to_view(value))) is_there = cursor.move(key, value, MDB_PREV);
  } catch (const lmdb::error& failure) {
    raise(failure.code(), "cannot scan", context.file);
  }
}

std::uint64_t count_entries(const lmdb_context& context, MDB_txn* transaction, core::table where) {
  MDB_stat figures{};
  try {
    lmdb::dbi_stat(transaction, handle_of(context, where), &figures);
  } catch (const lmdb::error& failure) {
    raise(failure.code(), "cannot read", context.file);
  }
  return figures.ms_entries;
}

std::uint64_t pages_of(MDB_txn* transaction, MDB_dbi handle) {
  MDB_stat figures{};
  lmdb::dbi_stat(transaction, handle, &figures);
  return figures.ms_branch_pages + figures.ms_leaf_pages + figures.ms_overflow_pages;
}

}  // namespace

void lmdb_context::refresh_pages() {
  // LMDB keeps the page count of every tree in its root record, and a page up to the last one that was ever
  // allocated is a meta page, or in exactly one tree, or in the free list. So the length of the free list
  // follows by subtraction, without walking it.
  try {
    lmdb::txn_renew(usage_reader);
    std::uint64_t used = meta_pages + pages_of(usage_reader, free_list_handle) + pages_of(usage_reader, main_handle);
    used += pages_of(usage_reader, version_table);
    for (const MDB_dbi handle : tables) used += pages_of(usage_reader, handle);
    MDB_envinfo info{};
    lmdb::env_info(env, &info);
    const std::uint64_t allocated = info.me_last_pgno + 1;
    pages.used.store(used, std::memory_order_relaxed);
    pages.free.store(allocated > used ? allocated - used : 0, std::memory_order_relaxed);
  } catch (const lmdb::error&) {
    // A broken environment fails at the next transaction; the figures stay as they were.
  }
  lmdb::txn_reset(usage_reader);
}

// ---- lmdb_snapshot

lmdb_snapshot::lmdb_snapshot(lmdb_context& context) : context_(context) {
  try {
    lmdb::txn_begin(context_.env, nullptr, MDB_RDONLY, &transaction_);
  } catch (const lmdb::error& failure) {
    raise(failure.code(), "cannot open a read snapshot", context_.file);
  }
}

lmdb_snapshot::~lmdb_snapshot() { lmdb::txn_abort(transaction_); }

std::optional<std::string_view> lmdb_snapshot::get(core::table where, std::string_view key) const {
  return get_value(context_, transaction_, where, key);
}

void lmdb_snapshot::scan(core::table where, std::string_view from, const core::scan_visitor& visit) const {
  scan_up(context_, transaction_, where, from, visit);
}

void lmdb_snapshot::scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const {
  scan_down(context_, transaction_, where, before, visit);
}

std::uint64_t lmdb_snapshot::size(core::table where) const { return count_entries(context_, transaction_, where); }

// ---- lmdb_write_transaction

lmdb_write_transaction::lmdb_write_transaction(lmdb_context& context) : context_(context) {
  // LMDB would wait for ever here if it is the same thread.
  if (context_.is_writing.exchange(true)) {
    throw core::table_error{errc::internal, "a write transaction is open already"};
  }
  try {
    lmdb::txn_begin(context_.env, nullptr, 0, &transaction_);
  } catch (const lmdb::error& failure) {
    context_.is_writing.store(false);
    raise(failure.code(), "cannot open a write transaction", context_.file);
  }
}

lmdb_write_transaction::~lmdb_write_transaction() {
  if (transaction_ != nullptr) lmdb::txn_abort(transaction_);
  if (transaction_ != nullptr) end();
}

void lmdb_write_transaction::end() {
  transaction_ = nullptr;
  context_.is_writing.store(false);
}

MDB_txn* lmdb_write_transaction::open_transaction() const {
  if (transaction_ == nullptr) throw core::table_error{errc::internal, "the write transaction has ended"};
  return transaction_;
}

void lmdb_write_transaction::check_key(core::table where, std::string_view key) const {
  if (!key.empty() && key.size() <= key_bytes_max) return;
  throw core::table_error{errc::internal, "a key of the table " +
                                              std::string{core::table_names[static_cast<std::size_t>(where)]} +
                                              " has " + std::to_string(key.size()) + " bytes; 1 to 511 are possible"};
}

void lmdb_write_transaction::fail(int code, const char* doing) {
  failure_ = to_failure(code, doing, context_.file);
  if (code != MDB_MAP_FULL && failure_->code == errc::resource_exhausted) context_.has_failed_for_room.store(true);
  throw core::table_error{failure_->code, failure_->message};
}

std::optional<std::string_view> lmdb_write_transaction::get(core::table where, std::string_view key) const {
  return get_value(context_, open_transaction(), where, key);
}

void lmdb_write_transaction::scan(core::table where, std::string_view from, const core::scan_visitor& visit) const {
  scan_up(context_, open_transaction(), where, from, visit);
}

void lmdb_write_transaction::scan_back(core::table where, std::string_view before,
                                       const core::scan_visitor& visit) const {
  scan_down(context_, open_transaction(), where, before, visit);
}

std::uint64_t lmdb_write_transaction::size(core::table where) const {
  return count_entries(context_, open_transaction(), where);
}

void lmdb_write_transaction::put(core::table where, std::string_view key, std::string_view value) {
  check_key(where, key);
  const MDB_val name = to_val(key);
  MDB_val data = to_val(value);
  try {
    has_changes_ = true;
    lmdb::dbi_put(open_transaction(), handle_of(context_, where), &name, &data, 0);
  } catch (const lmdb::error& failure) {
    fail(failure.code(), "cannot write");
  }
}

void lmdb_write_transaction::append(core::table where, std::string_view key, std::string_view value) {
  check_key(where, key);
  const MDB_val name = to_val(key);
  MDB_val data = to_val(value);
  try {
    has_changes_ = true;
    if (lmdb::dbi_put(open_transaction(), handle_of(context_, where), &name, &data, MDB_APPEND)) return;
  } catch (const lmdb::error& failure) {
    fail(failure.code(), "cannot append");
  }
  put(where, key, value);  // not the largest key after all
}

bool lmdb_write_transaction::erase(core::table where, std::string_view key) {
  if (key.empty() || key.size() > key_bytes_max) return false;
  const MDB_val name = to_val(key);
  try {
    const bool was_there = lmdb::dbi_del(open_transaction(), handle_of(context_, where), &name, nullptr);
    has_changes_ = has_changes_ || was_there;
    return was_there;
  } catch (const lmdb::error& failure) {
    fail(failure.code(), "cannot erase");
  }
}

result<void> lmdb_write_transaction::commit() {
  if (transaction_ == nullptr) return error{errc::internal, "the write transaction has ended", {}};
  if (failure_) {
    lmdb::txn_abort(transaction_);
    end();
    return *failure_;
  }
  result<void> outcome;
  try {
    lmdb::txn_commit(transaction_);  // frees it, whether it succeeds or not
    if (has_changes_) {
      context_.pages.commits.fetch_add(1, std::memory_order_relaxed);
      context_.has_failed_for_room.store(false);
      context_.refresh_pages();
    }
  } catch (const lmdb::error& failure) {
    error reason = to_failure(failure.code(), "cannot commit", context_.file);
    if (failure.code() != MDB_MAP_FULL && reason.code == errc::resource_exhausted) {
      context_.has_failed_for_room.store(true);
    }
    outcome = std::move(reason);
  }
  end();
  return outcome;
}

}  // namespace hive::persistence
