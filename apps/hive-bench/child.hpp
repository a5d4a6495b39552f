#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace hive::bench {

/// Ends this process at once: kills its children, removes its folders. Any thread.
[[noreturn]] void leave(int status);

/// A program that runs beside this one, and not longer; ended with SIGTERM, and SIGKILL if that does not help. Made by
/// the main thread only: the kernel ends it with the thread that made it.
class child {
 public:
  child(std::vector<std::string> arguments, const std::string& output);
  ~child();
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  [[nodiscard]] bool is_running() const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// SIGTERM; the destructor waits.
  void terminate() const;
  /// SIGKILL, and reaps it.
  void kill();
  /// User and system time so far.
  [[nodiscard]] double cpu_seconds() const;

 private:
  void forget() const;

  mutable pid_t pid_ = -1;
};

/// An empty folder in `parent` (empty: the system's temporary folder), removed at the end, also by leave().
/// std::runtime_error names the parent.
class run_folder {
 public:
  explicit run_folder(const std::string& parent);
  ~run_folder();
  run_folder(const run_folder&) = delete;
  run_folder& operator=(const run_folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Where this program and its neighbours are.
std::filesystem::path program_folder();

/// All of a file; nothing if it cannot be read.
std::string text_of(const std::filesystem::path& file);

/// Polls every 2 ms; false if `is_done` did not become true within `patience`.
bool poll_until(const std::function<bool()>& is_done, std::chrono::milliseconds patience);

/// CLOCK_MONOTONIC in nanoseconds: the same in all processes of a machine.
std::int64_t monotonic_ns();

}  // namespace hive::bench
