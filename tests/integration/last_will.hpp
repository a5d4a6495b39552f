#pragma once

#include <sys/types.h>

#include <string>

namespace hive::test {

/// Shell commands that undo what outlives a process, such as mounts and network namespaces. They run when this goes out
/// of scope, and also when the test is interrupted or killed: a shell in a session of its own waits for its end.
class last_will {
 public:
  last_will();
  ~last_will();
  last_will(const last_will&) = delete;
  last_will& operator=(const last_will&) = delete;

  /// One line; they run in the order in which they came, each whatever became of the others.
  void add(const std::string& command) const;

 private:
  int pipe_ = -1;  // closed by the kernel however we end
  pid_t shell_ = -1;
};

}  // namespace hive::test
