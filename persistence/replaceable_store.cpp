// A store whose state can be exchanged as a whole: a follower that is too far behind gets a copy of another node's.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <utility>

#include "persistence/folder.hpp"
#include "persistence/lmdb_failure.hpp"
#include "persistence/store.hpp"

namespace hive::persistence {
namespace {

/// Snapshots are short; the walk of a check is the longest.
constexpr std::chrono::seconds snapshots_end_max{20};
constexpr const char* data_file_name = "data.mdb";

/// Counts the snapshots that are open.
class reader_count {
 public:
  /// False: the store is being replaced.
  bool enter() {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return false;
    ++readers_;
    return true;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--readers_ == 0) changed_.notify_all();
  }
  /// Lets nobody in any more, and waits until all have left. False: they have not; the door is open again.
  bool close() {
    std::unique_lock lock(mutex_);
    is_closed_ = true;
    if (changed_.wait_for(lock, snapshots_end_max, [this] { return readers_ == 0; })) return true;
    is_closed_ = false;
    return false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_closed_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t readers_ = 0;
  bool is_closed_ = false;
};

[[noreturn]] void refuse_reader() {
  throw core::table_error{errc::unavailable, "the state is being replaced by another node's; try again"};
}

class counted_snapshot final : public read_snapshot {
 public:
  counted_snapshot(reader_count& count, std::unique_ptr<read_snapshot> inner)
      : count_(count), inner_(std::move(inner)) {}
  ~counted_snapshot() override {
    inner_.reset();
    count_.leave();
  }
  [[nodiscard]] std::optional<std::string_view> get(core::table where, std::string_view key) const override {
    return inner_->get(where, key);
  }
  void scan(core::table where, std::string_view from, const core::scan_visitor& visit) const override {
    inner_->scan(where, from, visit);
  }
  void scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const override {
    inner_->scan_back(where, before, visit);
  }
  [[nodiscard]] std::uint64_t size(core::table where) const override { return inner_->size(where); }

 private:
  reader_count& count_;
  std::unique_ptr<read_snapshot> inner_;
};

class replaceable_store final : public store {
 public:
  replaceable_store(store_options options, std::unique_ptr<store> current)
      : options_(std::move(options)), current_(std::move(current)) {}

  std::unique_ptr<read_snapshot> read() override {
    reopen();
    if (!readers_.enter()) refuse_reader();
    try {
      return std::make_unique<counted_snapshot>(readers_, current_->read());
    } catch (...) {
      readers_.leave();
      throw;
    }
  }
  std::unique_ptr<write_transaction> write() override {
    reopen();
    return current_->write();
  }
  [[nodiscard]] storage_figures figures() const override {
    if (!readers_.enter()) return {};
    const leaver leave{readers_};
    return current_->figures();
  }
  [[nodiscard]] bool is_nearly_full() const override {
    if (!readers_.enter()) return false;
    const leaver leave{readers_};
    return current_->is_nearly_full();
  }
  void grow_ahead() override {
    if (!is_lost_) current_->grow_ahead();
  }
  result<void> copy_to(const std::filesystem::path& target) override {
    if (!readers_.enter()) return error{errc::unavailable, "the state is being replaced by another node's", {}};
    const leaver leave{readers_};
    return current_->copy_to(target);
  }
  void stop_copies() override {
    if (!readers_.enter()) return;  // a replacement waits for copies, so that there are none
    const leaver leave{readers_};
    current_->stop_copies();
  }
  result<void> replace(const std::filesystem::path& folder) override;

 private:
  struct leaver {
    reader_count& count;
    ~leaver() { count.leave(); }
  };
  void reopen();
  result<void> open_current();

  const store_options options_;
  mutable reader_count readers_;
  std::mutex opening_;
  std::atomic<bool> is_lost_ = false;  // a replacement failed half-way
  std::unique_ptr<store> current_;     // null: it is lost, or being replaced
};

/// After a replacement that failed half-way: goes on with what stands in the folder, the old state or the new one, as
/// after a crash. What was in the way, a full disk or too many open files, may be gone by now. Throws while it is not.
void replaceable_store::reopen() {
  if (!is_lost_) return;
  const std::lock_guard lock(opening_);
  if (!is_lost_) return;
  if (auto opened = open_current(); !opened) throw core::table_error{opened.failure().code, opened.failure().message};
  is_lost_ = false;
}

result<void> replaceable_store::open_current() {
  // Which of the two it is must be settled before anything is written to it.
  if (auto synced = sync_folder(options_.folder); !synced) return synced;
  // store::open would begin anew, and a member that has forgotten its vote could vote twice.
  const auto file = options_.folder / data_file_name;
  std::error_code problem;
  if (!std::filesystem::exists(file, problem))
    return error{errc::data_loss, file.string() + " is gone; stop the node and restore a backup", {}};
  auto opened = store::open(options_);
  if (!opened) return opened.failure();
  current_ = std::move(*opened);
  readers_.open();
  return {};
}

result<void> replaceable_store::replace(const std::filesystem::path& folder) {
  const std::lock_guard lock(opening_);
  if (!readers_.close()) return error{errc::unavailable, "reads of the old state have not come to an end", {}};
  is_lost_ = false;
  // LMDB must not have two environments of one file open in a process, so the old one goes first.
  current_.reset();
  const auto from = folder / data_file_name;
  const auto to = options_.folder / data_file_name;
  result<void> done;
  if (std::rename(from.c_str(), to.c_str()) != 0) done = to_failure(errno, "cannot replace the storage", to);
  if (done) done = open_current();
  is_lost_ = !done;
  return done;
}

}  // namespace

result<void> store::replace(const std::filesystem::path&) {
  return error{errc::failed_precondition, "this store cannot be replaced", {}};
}

result<std::unique_ptr<store>> store::open_replaceable(const store_options& options) {
  auto opened = open(options);
  if (!opened) return opened.failure();
  return std::unique_ptr<store>(std::make_unique<replaceable_store>(options, std::move(*opened)));
}

}  // namespace hive::persistence
