#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace hive::executor {

/// An open file that is closed at the end.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  unique_fd(const unique_fd&) = delete;
  unique_fd& operator=(const unique_fd&) = delete;
  ~unique_fd() { reset(); }

  void reset();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A started process: leader of its own process group, with the reading ends of its output.
struct spawned_process {
  pid_t pid = 0;
  unique_fd pidfd;
  unique_fd stdout_pipe;  // does not block
  unique_fd stderr_pipe;  // does not block
};

/// What posix_spawn needs to know.
struct spawn_request {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;  // complete; the worker's own is not added
  std::string cwd;                                       // empty: the worker's
  std::string stdin_text;
};

/// Starts a process with a clean slate: own group, no blocked or ignored signals, no descriptor beyond 2. The program
/// is searched in the PATH of `env`. not_found if there is no such program or folder; unavailable if the system is out
/// of processes, files or memory. Thread-safe.
result<spawned_process> spawn(const spawn_request& request);

}  // namespace hive::executor
