#include "persistence/lmdb_failure.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace hive::persistence {

namespace {

constexpr std::uint64_t room_bytes_min = 64 << 10;

bool is_full_disk_code(int code) { return code == ENOSPC || code == EDQUOT || code == EFBIG; }

bool is_damage_code(int code) {
  return code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID || code == MDB_CURSOR_FULL;
}

}  // namespace

std::uint64_t disk_bytes_available(const std::filesystem::path& file) {
  struct statvfs figures {};
  if (::statvfs(file.c_str(), &figures) != 0) return std::numeric_limits<std::uint64_t>::max();
  // Root may also use the blocks that are reserved for it.
  const std::uint64_t blocks = ::geteuid() == 0 ? figures.f_bfree : figures.f_bavail;
  return blocks * figures.f_frsize;
}

bool is_out_of_room(const std::filesystem::path& file) {
  if (disk_bytes_available(file) < room_bytes_min) return true;
  struct rlimit limit {};
  struct stat status {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return ::stat(file.c_str(), &status) == 0 &&
         static_cast<std::uint64_t>(status.st_size) + room_bytes_min > limit.rlim_cur;
}

error to_failure(int code, const std::string& doing, const std::filesystem::path& file) {
  const std::string where = doing + " (" + file.string() + "): ";
  if (code == MDB_MAP_FULL) {
    return {errc::resource_exhausted, where + "the storage map is full; raise storage.map_bytes_max", {}};
  }
  if (code == MDB_READERS_FULL) {
    return {errc::resource_exhausted, where + "too many read snapshots; raise storage.readers_max", {}};
  }
  if (code == MDB_TXN_FULL) {
    return {errc::resource_exhausted, where + "the transaction changes too many pages", {}};
  }
  if (is_full_disk_code(code) || (code == EIO && is_out_of_room(file))) {
    return {errc::resource_exhausted, where + "the disk is full", {}};
  }
  if (is_damage_code(code)) {
    return {errc::data_loss, where + "the file is damaged (" + ::mdb_strerror(code) + "); restore a backup", {}};
  }
  if (code == MDB_PANIC) {
    return {errc::internal, where + "an earlier commit failed half-way; restart this node", {}};
  }
  return {errc::internal, where + ::mdb_strerror(code), {}};
}

void raise(int code, const std::string& doing, const std::filesystem::path& file) {
  const error failure = to_failure(code, doing, file);
  throw core::table_error{failure.code, failure.message};
}

}  // namespace hive::persistence
