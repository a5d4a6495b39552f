#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/result.hpp"
#include "core/table.hpp"

namespace hive::persistence {

struct store_options {
  std::filesystem::path folder;               // created if missing, mode 0700
  std::uint64_t map_bytes_max = 64ULL << 30;  // address space, not disk; at least 16 MiB
  std::uint32_t readers_max = 512;
};

struct storage_figures {
  std::uint64_t map_bytes = 0;
  std::uint64_t used_bytes = 0;  // pages in use, the free list taken off
  std::uint64_t file_bytes = 0;  // disk blocks that the file takes
  std::uint64_t free_pages = 0;
  std::uint32_t page_bytes = 0;
  std::uint64_t commits = 0;  // since open; one fsync each
};

/// One consistent snapshot. Keep it short: pages that it sees cannot be reused meanwhile.
class read_snapshot : public core::table_reader {};

/// The one write transaction. Aborts when it is destroyed before commit().
/// put, append and erase throw core::table_error.
class write_transaction : public core::table_transaction {
 public:
  /// Durable (fsync) when it returns without a failure: resource_exhausted for a full disk or map, else
  /// data_loss or internal. After a failure nothing of the transaction is there.
  virtual result<void> commit() = 0;
};

/// The LMDB environment of one shard (docs/storage_format.md). Safe mode only: no NOSYNC, NOMETASYNC,
/// WRITEMAP or MAPASYNC. Locked against a second process by flock on `<folder>/LOCK`.
/// read() may be called from any thread; write() from one thread at a time, which must also commit.
class store {
 public:
  /// unavailable: another process holds the lock (named by its pid). failed_precondition: format version
  /// newer or older than this program's. data_loss: the file is damaged. invalid_argument: options.
  static result<std::unique_ptr<store>> open(const store_options& options);
  /// The same, but replace() works. Costs an indirection more for each access.
  static result<std::unique_ptr<store>> open_replaceable(const store_options& options);

  store(const store&) = delete;
  store& operator=(const store&) = delete;
  virtual ~store() = default;

  /// Throws core::table_error: resource_exhausted if readers_max snapshots are open, unavailable while it is replaced.
  [[nodiscard]] virtual std::unique_ptr<read_snapshot> read() = 0;
  /// Throws core::table_error: internal if one is open already or the environment broke.
  [[nodiscard]] virtual std::unique_ptr<write_transaction> write() = 0;
  [[nodiscard]] virtual storage_figures figures() const = 0;
  /// True once less than the reserve (1/16 of the map, at least 4 MiB, at most 1 GiB) is free: new work is to be
  /// refused, completions and purges still fit. Also after a commit met a full disk, until one succeeds or 16 MiB are
  /// free. O(1), any thread.
  [[nodiscard]] virtual bool is_nearly_full() const = 0;
  /// For the writer between two transactions, when nobody waits: makes the file longer than it needs to be, so that the
  /// next commits overwrite blocks that are there. A commit that makes the file grow also waits for the journal of the
  /// file system, which takes as long again. Does nothing while the last pages or freed ones still serve.
  virtual void grow_ahead() {}
  /// A consistent compacted copy while serving; `target` is a folder that must not exist or be empty.
  virtual result<void> copy_to(const std::filesystem::path& target) = 0;
  /// Makes the copies that are under way fail with unavailable: the process is about to end, and a copy of a large
  /// store would hold it up. Any thread.
  virtual void stop_copies() {}
  /// Puts the state in `folder` (a closed store, on the same file system) in the place of this one, which is gone then.
  /// For the writer between two transactions. A crash leaves the one or the other. unavailable: snapshots stayed open
  /// for too long, nothing was changed. After any other failure either state may be in place, as after a crash: each
  /// access opens it again or throws, until that succeeds.
  virtual result<void> replace(const std::filesystem::path& folder);

 protected:
  store() = default;
};

}  // namespace hive::persistence
