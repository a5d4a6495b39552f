#include "persistence/folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace hive::persistence {

namespace {

error system_failure(int code, const std::string& doing, const std::filesystem::path& where) {
  const bool is_full = code == ENOSPC || code == EDQUOT;
  return {is_full ? errc::resource_exhausted : errc::invalid_argument,
          doing + " " + where.string() + ": " + std::strerror(code), "storage.folder"};
}

/// The holder's pid as it stands in the file; "an unknown process" if there is none yet.
std::string holder_of(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t count = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < count && text[static_cast<std::size_t>(i)] >= '0'; ++i) {
    pid += text[static_cast<std::size_t>(i)];
  }
  return pid.empty() ? "an unknown process" : "process " + pid;
}

}  // namespace

file_descriptor& file_descriptor::operator=(file_descriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

file_descriptor::~file_descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

result<void> sync_folder(const std::filesystem::path& folder) {
  const file_descriptor opened{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!opened.is_open()) return system_failure(errno, "cannot open the folder", folder);
  if (::fsync(opened.get()) != 0) return system_failure(errno, "cannot sync the folder", folder);
  return {};
}

result<void> create_folder(const std::filesystem::path& folder) {
  if (folder.empty()) return error{errc::invalid_argument, "the storage folder must be named", "storage.folder"};
  std::error_code failure;
  const auto absolute = std::filesystem::absolute(folder, failure);
  if (std::filesystem::is_directory(absolute, failure)) return {};
  const auto parent = (absolute.has_filename() ? absolute : absolute.parent_path()).parent_path();
  std::filesystem::create_directories(parent, failure);
  if (failure) return system_failure(failure.value(), "cannot create the folder", parent);
  if (::mkdir(absolute.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_failure(errno, "cannot create the folder", absolute);
  }
  if (!std::filesystem::is_directory(absolute, failure)) {
    return system_failure(ENOTDIR, "cannot use as a folder:", absolute);
  }
  return sync_folder(parent);
}

result<file_descriptor> lock_folder(const std::filesystem::path& folder) {
  const auto path = folder / "LOCK";
  file_descriptor opened{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!opened.is_open()) return system_failure(errno, "cannot open", path);
  if (::flock(opened.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_failure(errno, "cannot lock", path);
    return error{errc::unavailable, folder.string() + " is in use by " + holder_of(opened.get()), "storage.folder"};
  }
  // The pid is a courtesy to people: the lock holds without it (say, on a full disk).
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(opened.get(), 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(opened.get(), pid.data(), pid.size(), 0);
  }
  return opened;
}

}  // namespace hive::persistence
