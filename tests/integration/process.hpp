#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/temporary_folder.hpp"

namespace hive::test {

/// A child process. Killed and reaped when it goes out of scope. Its output goes to a file.
class process {
 public:
  process(std::vector<std::string> arguments, const std::filesystem::path& output,
          const std::vector<std::string>& environment = {});
  ~process();
  process(process&& other) noexcept;
  process& operator=(process&& other) noexcept;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// SIGKILL and reap.
  void kill();
  /// Exit status (128 + signal for a killed one), or -1 if it still runs after `patience`.
  int wait(std::chrono::milliseconds patience);
  [[nodiscard]] bool is_running();
  [[nodiscard]] std::string output() const;

 private:
  pid_t pid_ = -1;
  int status_ = -1;
  std::filesystem::path output_;
};

/// Runs a program to its end; status and everything it printed.
struct finished {
  int status = -1;
  std::string output;
};
finished run(std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
             std::chrono::milliseconds patience = std::chrono::seconds{60});

/// Polls until `is_done` says so; false if that took longer than `patience`.
bool eventually(const std::function<bool()>& is_done, std::chrono::milliseconds patience = std::chrono::seconds{30});

}  // namespace hive::test
