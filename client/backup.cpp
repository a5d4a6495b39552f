#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>

#include "client/channel.hpp"
#include "client/client.hpp"

namespace hive {
namespace {

/// Copying a large store takes the node a while, and it may have to finish another copy first.
constexpr milliseconds open_timeout{600'000};
constexpr std::uint32_t piece_bytes = 512U << 10U;
constexpr std::size_t pieces_ahead = 4;
/// The copy is gone when the node was started anew, or another node has become the leader.
constexpr int tries_max = 3;

template <class Response, class Request>
std::future<result<Response>> ask(channel& owner, Request request, milliseconds timeout = {}) {
  auto promise = std::make_shared<std::promise<result<Response>>>();
  auto answer = promise->get_future();
  owner.start<Response>(
      front::cluster_manager, std::move(request), repeat::always,
      [promise](result<Response> reply) { promise->set_value(std::move(reply)); }, timeout);
  return answer;
}

error cannot(const std::string& what, const std::filesystem::path& path) {
  const errc code = errno == ENOSPC || errno == EDQUOT ? errc::resource_exhausted
                    : errno == ENOENT                  ? errc::not_found
                                                       : errc::invalid_argument;
  return {code, "cannot " + what + " " + path.string() + ": " + std::strerror(errno), "file"};
}

/// What is no regular file is never replaced: not a device, not a pipe, and not a link, wherever it leads.
result<void> check_target(const std::filesystem::path& target) {
  struct stat facts {};
  if (::lstat(target.c_str(), &facts) != 0) {
    if (errno == ENOENT) return {};
    return cannot("create", target);
  }
  if (S_ISREG(facts.st_mode)) return {};
  const std::string what = S_ISLNK(facts.st_mode) ? "a symbolic link" : S_ISDIR(facts.st_mode) ? "a folder" : "no file";
  return error{errc::invalid_argument, target.string() + " is " + what + ": a backup replaces regular files only",
               "file"};
}

bool is_locked(const std::filesystem::path& path) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (opened < 0) return false;
  const bool locked = ::flock(opened, LOCK_EX | LOCK_NB) != 0;
  ::close(opened);
  return locked;
}

/// FILE.part until all of it is on disk. Removed if it never gets that far.
class part_file {
 public:
  explicit part_file(const std::filesystem::path& target) : target_(target), part_(target) { part_ += ".part"; }
  ~part_file() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(part_.c_str());
  }
  part_file(const part_file&) = delete;
  part_file& operator=(const part_file&) = delete;

  result<void> create() {
    if (auto checked = check_target(target_); !checked) return checked;
    // Never what is there: it may be somebody else's, or readable by others.
    const int opened = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (opened < 0 && errno != EEXIST) return cannot("create", part_);
    if (opened < 0) {
      if (is_locked(part_))
        return error{errc::unavailable, "another backup is being written to " + part_.string(), "file"};
      return error{errc::already_exists,
                   part_.string() +
                       " is there, of a backup that was interrupted or of something else: remove it, or "
                       "name another file",
                   "file"};
    }
    descriptor_ = opened;  // from here on it is ours to remove
    // Tells others that it is being written; a file system without locks can do without.
    [[maybe_unused]] const int ignored = ::flock(opened, LOCK_EX | LOCK_NB);
    return {};
  }
  result<void> append(const std::string& data) {
    for (std::size_t done = 0; done < data.size();) {
      const auto written = ::write(descriptor_, data.data() + done, data.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return cannot("write", part_);
      done += static_cast<std::size_t>(written);
    }
    return {};
  }
  /// Under its own name, durably.
  result<void> finish() {
    if (::fsync(descriptor_) != 0) return cannot("write", part_);
    if (auto checked = check_target(target_); !checked) return checked;
    if (::rename(part_.c_str(), target_.c_str()) != 0) return cannot("create", target_);
    ::close(std::exchange(descriptor_, -1));
    const auto folder = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = opened >= 0 && ::fsync(opened) == 0;
    if (opened >= 0) ::close(opened);
    if (!is_synced) return cannot("sync", folder);
    return {};
  }

 private:
  std::filesystem::path target_;
  std::filesystem::path part_;
  int descriptor_ = -1;
};

/// Reads the whole copy into the file, several pieces on their way at a time.
result<void> fetch(channel& owner, const v1::OpenBackupResponse& copy, part_file& into,
                   const backup_progress& on_progress) {
  std::deque<std::future<result<v1::ReadBackupResponse>>> under_way;
  std::uint64_t asked = 0;
  std::uint64_t done = 0;
  while (done < copy.bytes()) {
    for (; under_way.size() < pieces_ahead && asked < copy.bytes(); asked += piece_bytes) {
      v1::ReadBackupRequest request;
      request.set_backup_id(copy.backup_id());
      request.set_offset(asked);
      request.set_bytes_max(piece_bytes);
      under_way.push_back(ask<v1::ReadBackupResponse>(owner, std::move(request)));
    }
    const auto piece = under_way.front().get();
    under_way.pop_front();
    if (!piece) return piece.failure();
    if (piece->data().size() != std::min<std::uint64_t>(piece_bytes, copy.bytes() - done)) {
      return error{errc::data_loss,
                   "the node sent " + std::to_string(piece->data().size()) + " bytes of the copy at offset " +
                       std::to_string(done) + " of " + std::to_string(copy.bytes()),
                   {}};
    }
    if (auto written = into.append(piece->data()); !written) return written;
    done += piece->data().size();
    if (on_progress) on_progress(done, copy.bytes());
  }
  return {};
}

result<std::uint64_t> backup_once(channel& owner, const std::filesystem::path& file,
                                  const backup_progress& on_progress) {
  part_file part(file);
  if (auto created = part.create(); !created) return created.failure();
  const auto copy = ask<v1::OpenBackupResponse>(owner, v1::OpenBackupRequest{}, open_timeout).get();
  if (!copy) return copy.failure();
  if (on_progress) on_progress(0, copy->bytes());
  const auto fetched = fetch(owner, *copy, part, on_progress);
  v1::CloseBackupRequest closing;
  closing.set_backup_id(copy->backup_id());
  auto closed = ask<v1::CloseBackupResponse>(owner, std::move(closing));
  if (!fetched) return fetched.failure();
  if (auto finished = part.finish(); !finished) return finished.failure();
  closed.wait();  // if it fails, the node drops the copy in five minutes
  return copy->bytes();
}

}  // namespace

result<std::uint64_t> client::backup(const std::filesystem::path& file, const backup_progress& on_progress) {
  for (int tries = 1;; ++tries) {
    auto made = backup_once(*channel_, file, on_progress);
    if (made || made.failure().code != errc::not_found || tries == tries_max) return made;
  }
}

}  // namespace hive
