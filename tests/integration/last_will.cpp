#include "tests/integration/last_will.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace hive::test {

last_will::last_will() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A session of its own: Ctrl-C at the terminal reaches the test and not the one that tidies up after it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string name = "sh";
  std::string option = "-c";
  std::string script = "commands=$(cat); eval \"$commands\"";
  std::array<char*, 4> arguments{name.data(), option.data(), script.data(), nullptr};
  const int failed = ::posix_spawnp(&shell_, "sh", &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[0]);
  pipe_ = ends[1];
  if (failed == 0) return;
  ::close(pipe_);
  throw std::runtime_error("cannot start sh");
}

last_will::~last_will() {
  ::close(pipe_);
  while (::waitpid(shell_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void last_will::add(const std::string& command) const {
  const std::string line = command + "\n";
  // Short lines: a pipe takes them whole, and the shell reads all the time.
  if (::write(pipe_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the shell that tidies up is gone");
  }
}

}  // namespace hive::test
