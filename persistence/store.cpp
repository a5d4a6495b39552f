#include "persistence/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "core/keys.hpp"
#include "persistence/file_check.hpp"
#include "persistence/folder.hpp"
#include "persistence/lmdb_failure.hpp"
#include "persistence/lmdb_tables.hpp"

namespace hive::persistence {

namespace {

constexpr std::uint32_t format_version = 1;
constexpr const char* version_table_name = "hive";
constexpr std::string_view format_row = "format_version";
constexpr std::string_view creator_row = "created_by";
constexpr const char* data_file_name = "data.mdb";
constexpr const char* staging_folder_name = "creating";
constexpr std::uint64_t map_bytes_min = 16ULL << 20;
constexpr std::uint64_t map_bytes_limit = 1ULL << 46;  // address space of a process is 2^47
constexpr std::uint32_t readers_limit = 1U << 16;
constexpr std::uint64_t reserve_bytes_min = 4ULL << 20;
// grow_ahead: the file is made so much longer than its pages, once less than the smaller figure is left.
constexpr std::uint64_t ahead_bytes = 2ULL << 20;
constexpr std::uint64_t ahead_bytes_min = 512ULL << 10;
constexpr std::uint64_t reserve_bytes_limit = 1ULL << 30;
/// After a full disk, new work stays refused until so much is free.
constexpr std::uint64_t disk_reserve_bytes = 16ULL << 20;
/// Tables from here on came later than the format: a file that lacks them gets them, empty, when it is opened. A
/// program that does not know them leaves them alone.
constexpr auto first_added_table = static_cast<std::size_t>(core::table::log);
/// Leaf pages that are read at open, to bound the time that it takes (64 MiB).
constexpr std::uint64_t checked_leaf_pages_max = 16384;

/// LMDB calls it on an inconsistency, then aborts: the process must not write on a damaged file.
void report_broken_invariant(MDB_env* env, const char* message) {
  const char* path = "";
  ::mdb_env_get_path(env, &path);
  std::fprintf(stderr, "hive: the storage in %s is damaged and this process stops before it writes: %s\n", path,
               message);
}

struct env_closer {
  void operator()(MDB_env* env) const { lmdb::env_close(env); }
};
using env_handle = std::unique_ptr<MDB_env, env_closer>;

env_handle open_env(const std::filesystem::path& folder, const store_options& options) {
  MDB_env* raw = nullptr;
  lmdb::env_create(&raw);
  env_handle env{raw};
  ::mdb_env_set_assert(raw, &report_broken_invariant);
  lmdb::env_set_mapsize(raw, options.map_bytes_max);
  lmdb::env_set_max_readers(raw, options.readers_max + 1);  // one is the writer's own
  lmdb::env_set_max_dbs(raw, static_cast<MDB_dbi>(core::table_count + 1));
  // MDB_NOTLS: a snapshot may be used and ended by any thread. Nothing that weakens durability.
  lmdb::env_open(raw, folder.c_str(), MDB_NOTLS, 0600);
  return env;
}

/// A transaction that is aborted unless it was committed.
class scoped_transaction {
 public:
  scoped_transaction(MDB_env* env, unsigned flags) { lmdb::txn_begin(env, nullptr, flags, &transaction_); }
  ~scoped_transaction() {
    if (transaction_ != nullptr) lmdb::txn_abort(transaction_);
  }
  scoped_transaction(const scoped_transaction&) = delete;
  scoped_transaction& operator=(const scoped_transaction&) = delete;
  [[nodiscard]] MDB_txn* get() const { return transaction_; }
  void commit() { lmdb::txn_commit(std::exchange(transaction_, nullptr)); }

 private:
  MDB_txn* transaction_ = nullptr;
};

void put_row(MDB_txn* transaction, MDB_dbi handle, std::string_view name, std::string_view value) {
  const MDB_val key{name.size(), const_cast<char*>(name.data())};
  MDB_val data{value.size(), const_cast<char*>(value.data())};
  lmdb::dbi_put(transaction, handle, &key, &data, 0);
}

std::string get_row(MDB_txn* transaction, MDB_dbi handle, std::string_view name) {
  const MDB_val key{name.size(), const_cast<char*>(name.data())};
  MDB_val data{};
  if (!lmdb::dbi_get(transaction, handle, &key, &data)) return {};
  return {static_cast<const char*>(data.mv_data), data.mv_size};
}

/// Makes a complete data file in a staging folder and moves it into place: a file under its final name
/// always has its tables and its version, wherever a crash hits.
result<void> create_file(const store_options& options) {
  const auto staging = options.folder / staging_folder_name;
  const auto file = options.folder / data_file_name;
  std::error_code ignored;
  std::filesystem::remove_all(staging, ignored);
  if (auto made = create_folder(staging); !made) return made;
  try {
    const env_handle env = open_env(staging, options);
    scoped_transaction transaction{env.get(), 0};
    MDB_dbi handle = 0;
    for (const std::string_view name : core::table_names) {
      lmdb::dbi_open(transaction.get(), std::string{name}.c_str(), MDB_CREATE, &handle);
    }
    lmdb::dbi_open(transaction.get(), version_table_name, MDB_CREATE, &handle);
    put_row(transaction.get(), handle, format_row, core::key{}.u32(format_version).view());
    put_row(transaction.get(), handle, creator_row, HIVE_VERSION);
    transaction.commit();
  } catch (const lmdb::error& failure) {
    auto reason = to_failure(failure.code(), "cannot create the storage", staging / data_file_name);
    std::filesystem::remove_all(staging, ignored);
    return reason;
  }
  if (std::rename((staging / data_file_name).c_str(), file.c_str()) != 0) {
    return error{errc::internal, "cannot create " + file.string() + ": " + std::strerror(errno), {}};
  }
  std::filesystem::remove_all(staging, ignored);
  return sync_folder(options.folder);
}

result<void> check_options(const store_options& options) {
  if (options.map_bytes_max < map_bytes_min || options.map_bytes_max > map_bytes_limit) {
    return error{errc::invalid_argument,
                 "map_bytes_max is " + std::to_string(options.map_bytes_max) + "; it must be from 16 MiB to 64 TiB",
                 "storage.map_bytes_max"};
  }
  if (options.readers_max < 1 || options.readers_max > readers_limit) {
    return error{errc::invalid_argument,
                 "readers_max is " + std::to_string(options.readers_max) + "; it must be from 1 to 65536",
                 "storage.readers_max"};
  }
  return {};
}

result<void> check_version(MDB_txn* transaction, MDB_dbi& handle, const std::filesystem::path& file) {
  try {
    lmdb::dbi_open(transaction, version_table_name, 0, &handle);
  } catch (const lmdb::not_found_error&) {
    return error{errc::failed_precondition, file.string() + " is not a hive storage: it has no table \"hive\"", {}};
  }
  const std::string row = get_row(transaction, handle, format_row);
  if (row.size() != 4) return error{errc::data_loss, file.string() + " has no format version; restore a backup", {}};
  const std::uint32_t found = core::read_u32(row, 0);
  if (found == format_version) return {};
  return error{errc::failed_precondition,
               file.string() + " has storage format " + std::to_string(found) + " (created by hive " +
                   get_row(transaction, handle, creator_row) + "); hive " HIVE_VERSION " reads format " +
                   std::to_string(format_version) +
                   (found > format_version ? ": use a newer hive" : ": use the hive that wrote it"),
               {}};
}

class lmdb_store final : public store {
 public:
  lmdb_store(file_descriptor lock, env_handle env, const store_options& options)
      : folder_(options.folder), lock_(std::move(lock)), env_(std::move(env)) {
    context_.env = env_.get();
    context_.file = folder_ / data_file_name;
  }
  ~lmdb_store() override {
    if (context_.usage_reader != nullptr) lmdb::txn_abort(context_.usage_reader);
  }

  /// Opens the tables and takes the first figures.
  result<void> start();
  void add_tables();

  std::unique_ptr<read_snapshot> read() override { return std::make_unique<lmdb_snapshot>(context_); }
  std::unique_ptr<write_transaction> write() override { return std::make_unique<lmdb_write_transaction>(context_); }
  [[nodiscard]] storage_figures figures() const override;
  [[nodiscard]] bool is_nearly_full() const override;
  void grow_ahead() override;
  result<void> copy_to(const std::filesystem::path& target) override;
  void stop_copies() override;

 private:
  std::filesystem::path folder_;
  file_descriptor lock_;  // released last
  env_handle env_;
  lmdb_context context_;
  std::uint64_t map_bytes_ = 0;
  std::uint32_t page_bytes_ = 0;
  std::uint64_t file_end_ = 0;  // as grow_ahead knows it
  bool can_grow_ahead_ = true;  // until the disk is full
  std::mutex copies_mutex_;
  std::set<int> copies_;  // descriptors of the copies that are being written
};

void lmdb_store::add_tables() {
  bool is_missing = false;
  MDB_dbi handle = 0;
  {
    scoped_transaction transaction{context_.env, MDB_RDONLY};
    try {
      for (std::size_t i = first_added_table; i < core::table_count; ++i) {
        lmdb::dbi_open(transaction.get(), std::string{core::table_names[i]}.c_str(), 0, &handle);
      }
    } catch (const lmdb::not_found_error&) {
      is_missing = true;
    }
  }
  if (!is_missing) return;
  scoped_transaction transaction{context_.env, 0};
  for (std::size_t i = first_added_table; i < core::table_count; ++i) {
    lmdb::dbi_open(transaction.get(), std::string{core::table_names[i]}.c_str(), MDB_CREATE, &handle);
  }
  transaction.commit();
}

result<void> lmdb_store::start() {
  int stale = 0;
  ::mdb_reader_check(context_.env, &stale);  // of a process that was killed
  try {
    {
      MDB_dbi ignored = 0;
      scoped_transaction transaction{context_.env, MDB_RDONLY};
      if (auto good = check_version(transaction.get(), ignored, context_.file); !good) return good;
    }
    add_tables();
    scoped_transaction transaction{context_.env, MDB_RDONLY};
    if (auto good = check_version(transaction.get(), context_.version_table, context_.file); !good) return good;
    for (std::size_t i = 0; i < core::table_count; ++i) {
      try {
        lmdb::dbi_open(transaction.get(), std::string{core::table_names[i]}.c_str(), 0, &context_.tables[i]);
      } catch (const lmdb::not_found_error&) {
        const std::string name{core::table_names[i]};
        return error{errc::data_loss, context_.file.string() + " has lost its table " + name, {}};
      }
    }
    transaction.commit();  // keeps the handles
    lmdb::txn_begin(context_.env, nullptr, MDB_RDONLY, &context_.usage_reader);
    lmdb::txn_reset(context_.usage_reader);
    MDB_envinfo info{};
    MDB_stat figures{};
    lmdb::env_info(context_.env, &info);
    lmdb::env_stat(context_.env, &figures);
    map_bytes_ = info.me_mapsize;
    page_bytes_ = figures.ms_psize;
  } catch (const lmdb::error& failure) {
    return to_failure(failure.code(), "cannot open the storage", context_.file);
  }
  context_.refresh_pages();
  return {};
}

storage_figures lmdb_store::figures() const {
  storage_figures found;
  found.map_bytes = map_bytes_;
  found.page_bytes = page_bytes_;
  found.used_bytes = context_.pages.used.load(std::memory_order_relaxed) * page_bytes_;
  found.free_pages = context_.pages.free.load(std::memory_order_relaxed);
  found.commits = context_.pages.commits.load(std::memory_order_relaxed);
  struct stat status {};
  if (::stat(context_.file.c_str(), &status) == 0)
    found.file_bytes = static_cast<std::uint64_t>(status.st_blocks) * 512;
  return found;
}

bool lmdb_store::is_nearly_full() const {
  const std::uint64_t reserve = std::clamp(map_bytes_ / 16, reserve_bytes_min, reserve_bytes_limit);
  const std::uint64_t used = context_.pages.used.load(std::memory_order_relaxed) * page_bytes_;
  if (used + reserve > map_bytes_) return true;
  // A full disk: let completions reuse free pages, but no new work until a commit succeeds or there is room.
  return context_.has_failed_for_room.load() && disk_bytes_available(context_.file) < disk_reserve_bytes;
}

void lmdb_store::grow_ahead() {
  if (!can_grow_ahead_ || context_.pages.free.load(std::memory_order_relaxed) * page_bytes_ >= ahead_bytes) return;
  MDB_envinfo info{};
  ::mdb_env_info(context_.env, &info);
  const std::uint64_t pages_end = (info.me_last_pgno + 1) * std::uint64_t{page_bytes_};
  if (file_end_ >= pages_end + ahead_bytes_min) return;
  int file = -1;
  struct stat status {};
  if (::mdb_env_get_fd(context_.env, &file) != MDB_SUCCESS || ::fstat(file, &status) != 0) return;
  // Zeros are written, not only allocated: a block that was never written costs the journal, too.
  static constexpr std::array<char, 128UL * 1024> zeros{};
  file_end_ = std::max<std::uint64_t>(pages_end, static_cast<std::uint64_t>(status.st_size));
  const std::uint64_t wanted_end = std::min(pages_end + ahead_bytes, map_bytes_);
  while (file_end_ < wanted_end && can_grow_ahead_) {
    const auto size = std::min<std::uint64_t>(zeros.size(), wanted_end - file_end_);
    const auto written = ::pwrite(file, zeros.data(), size, static_cast<off_t>(file_end_));
    can_grow_ahead_ = written > 0;
    if (written > 0) file_end_ += static_cast<std::uint64_t>(written);
  }
  ::fdatasync(file);
}

result<void> lmdb_store::copy_to(const std::filesystem::path& target) {
  std::error_code failure;
  if (std::filesystem::exists(target, failure) &&
      (!std::filesystem::is_directory(target, failure) || !std::filesystem::is_empty(target, failure))) {
    return error{errc::already_exists, target.string() + " exists and is not an empty folder", "target"};
  }
  if (auto made = create_folder(target); !made) return made;
  // Under its final name only when it is complete and on disk.
  const auto part = target / (std::string{data_file_name} + ".part");
  const file_descriptor opened{::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!opened.is_open()) return to_failure(errno, "cannot create the copy", part);
  {
    const std::lock_guard lock(copies_mutex_);
    copies_.insert(opened.get());
  }
  int code = ::mdb_env_copyfd2(context_.env, opened.get(), MDB_CP_COMPACT);
  if (code == MDB_SUCCESS && ::fsync(opened.get()) != 0) code = errno;
  if (code == MDB_SUCCESS && std::rename(part.c_str(), (target / data_file_name).c_str()) != 0) code = errno;
  bool is_stopped = false;
  {
    const std::lock_guard lock(copies_mutex_);
    is_stopped = copies_.erase(opened.get()) == 0;
  }
  if (code != MDB_SUCCESS) {
    auto reason = is_stopped ? error{errc::unavailable, "the copy was given up, because the node stops", {}}
                             : to_failure(code, "cannot copy the storage", part);
    std::filesystem::remove(part, failure);
    return reason;
  }
  return sync_folder(target);
}

/// LMDB has no way to end a copy but a write that fails.
void lmdb_store::stop_copies() {
  const std::lock_guard lock(copies_mutex_);
  if (copies_.empty()) return;
  const file_descriptor unwritable{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  if (!unwritable.is_open()) return;
  for (const int copy : copies_) ::dup3(unwritable.get(), copy, O_CLOEXEC);
  copies_.clear();
}

}  // namespace

result<std::unique_ptr<store>> store::open(const store_options& options) {
  if (auto good = check_options(options); !good) return good.failure();
  if (auto made = create_folder(options.folder); !made) return made.failure();
  auto lock = lock_folder(options.folder);
  if (!lock) return lock.failure();
  const auto file = options.folder / data_file_name;
  std::error_code failure;
  const bool is_new = !std::filesystem::exists(std::filesystem::symlink_status(file, failure));
  if (is_new) {
    if (auto made = create_file(options); !made) return made.failure();
  }
  if (auto good = check_file(file, checked_leaf_pages_max); !good) return good.failure();
  try {
    auto opened = std::make_unique<lmdb_store>(std::move(*lock), open_env(options.folder, options), options);
    if (auto good = opened->start(); !good) return good.failure();
    return result<std::unique_ptr<store>>{std::move(opened)};
  } catch (const lmdb::error& problem) {
    return to_failure(problem.code(), "cannot open the storage", file);
  }
}

}  // namespace hive::persistence
