#include "apps/hivectl/restore.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "persistence/folder.hpp"
#include "persistence/store.hpp"

namespace hive::hivectl {
namespace {

namespace fs = std::filesystem;

constexpr const char* data_name = "data.mdb";
constexpr const char* staging_name = "restoring";
constexpr std::size_t erase_chunk = 10'000;
constexpr int violations_shown_max = 5;

error system_error(const std::string& what, const fs::path& path) {
  const errc code = errno == ENOSPC || errno == EDQUOT ? errc::resource_exhausted
                    : errno == ENOENT                  ? errc::not_found
                                                       : errc::invalid_argument;
  return {code, "cannot " + what + " " + path.string() + ": " + std::strerror(errno), {}};
}

/// Removes what was made in the data folder unless all went well.
class staging_area {
 public:
  explicit staging_area(fs::path folder) : folder_(std::move(folder)) {
    std::error_code ignored;
    is_new_ = !fs::exists(folder_, ignored);
  }
  ~staging_area() {
    std::error_code ignored;
    if (is_ready_) fs::remove_all(path(), ignored);
    if (is_ready_ && !is_kept_ && !had_lock_) fs::remove(folder_ / "LOCK", ignored);
    if (is_ready_ && !is_kept_ && is_new_) fs::remove(folder_, ignored);  // only if it is empty
  }
  staging_area(const staging_area&) = delete;
  staging_area& operator=(const staging_area&) = delete;

  result<void> prepare() {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(folder_ / data_name, ignored)))
      return error{errc::already_exists,
                   folder_.string() + " has a data.mdb: restore into an empty folder, or move that file away",
                   "--data-dir"};
    if (auto made = persistence::create_folder(folder_); !made) return made;
    had_lock_ = fs::exists(folder_ / "LOCK", ignored);
    auto lock = persistence::lock_folder(folder_);
    if (!lock) return lock.failure();
    lock_ = std::move(*lock);
    is_ready_ = true;
    fs::remove_all(path(), ignored);  // of an attempt that was interrupted
    return persistence::create_folder(path());
  }
  [[nodiscard]] fs::path path() const { return folder_ / staging_name; }

  /// What is ready becomes the folder's data.
  result<void> publish() {
    const auto from = path() / data_name;
    const auto to = folder_ / data_name;
    give_to_owner(from);
    give_to_owner(folder_ / "LOCK");
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error("create", to);
    is_kept_ = true;
    return persistence::sync_folder(folder_);
  }

 private:
  /// A restore by root must leave files that the node's own user can open.
  void give_to_owner(const fs::path& file) const {
    struct stat owner {};
    if (::geteuid() != 0 || ::stat(folder_.c_str(), &owner) != 0) return;
    [[maybe_unused]] const int done = ::chown(file.c_str(), owner.st_uid, owner.st_gid);
  }

  fs::path folder_;
  persistence::file_descriptor lock_;
  bool is_new_ = false;
  bool had_lock_ = false;
  bool is_ready_ = false;
  bool is_kept_ = false;
};

result<std::uint64_t> copy_bytes_of(const fs::path& from, const fs::path& to) {
  const persistence::file_descriptor source{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat facts {};
  if (!source.is_open() || ::fstat(source.get(), &facts) != 0) return system_error("open", from);
  if (!S_ISREG(facts.st_mode)) return error{errc::invalid_argument, from.string() + " is not a file", "FILE"};
  const persistence::file_descriptor target{::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!target.is_open()) return system_error("create", to);
  std::vector<char> buffer(1U << 20U);
  std::uint64_t bytes = 0;
  for (;;) {
    const auto got = ::read(source.get(), buffer.data(), buffer.size());
    if (got < 0) return system_error("read", from);
    if (got == 0) break;
    for (ssize_t done = 0; done < got;) {
      const auto written = ::write(target.get(), buffer.data() + done, static_cast<std::size_t>(got - done));
      if (written < 0) return system_error("write", to);
      done += written;
    }
    bytes += static_cast<std::uint64_t>(got);
  }
  if (::fsync(target.get()) != 0) return system_error("write", to);
  return bytes;
}

/// The keys are taken in chunks: a long log would not fit into memory twice.
void clear(core::table_transaction& tables, core::table where) {
  for (;;) {
    std::vector<std::string> keys;
    tables.scan(where, {}, [&keys](std::string_view key, std::string_view) {
      keys.emplace_back(key);
      return keys.size() < erase_chunk;
    });
    if (keys.empty()) return;
    for (const auto& key : keys) tables.erase(where, key);
  }
}

result<restored_store> check_tables(const core::table_reader& tables) {
  const auto checked = core::check(tables);
  if (!checked.violations().empty()) {
    std::string text = "the backup is not consistent, and is not restored:";
    for (int i = 0; i < std::min(checked.violations_size(), violations_shown_max); ++i)
      text += "\n  " + checked.violations(i);
    return error{errc::data_loss, text, {}};
  }
  restored_store facts;
  facts.tasks = checked.tasks();
  facts.plans = checked.plans();
  facts.log_entries = tables.size(core::table::log);
  facts.was_member = tables.size(core::table::log_meta) > 0;
  return facts;
}

result<restored_store> prepare(const fs::path& folder, std::uint64_t bytes) {
  persistence::store_options options;
  options.folder = folder;
  options.map_bytes_max = std::max(options.map_bytes_max, 4 * bytes);
  const auto store = persistence::store::open(options);
  if (!store) return store.failure();
  try {
    auto facts = check_tables(*(*store)->read());
    if (!facts || !facts->was_member) return facts;
    const auto change = (*store)->write();
    for (const auto where : std::array{core::table::log, core::table::log_meta}) clear(*change, where);
    if (auto done = change->commit(); !done) return done.failure();
    return facts;
  } catch (const core::table_error& problem) {
    return error{problem.code(), problem.what(), {}};
  }
}

}  // namespace

result<restored_store> restore_store(const fs::path& file, const fs::path& folder) {
  std::error_code unknown;
  if (!fs::exists(file, unknown)) return error{errc::not_found, "there is no file " + file.string(), "FILE"};
  staging_area staging(folder);
  if (auto done = staging.prepare(); !done) return done.failure();
  const auto bytes = copy_bytes_of(file, staging.path() / data_name);
  if (!bytes) return bytes.failure();
  auto facts = prepare(staging.path(), *bytes);
  if (!facts) return facts;
  facts->bytes = *bytes;
  if (auto done = staging.publish(); !done) return done.failure();
  return facts;
}

}  // namespace hive::hivectl
