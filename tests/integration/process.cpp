#include "tests/integration/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace hive::test {
namespace {

constexpr std::chrono::milliseconds poll_interval{5};

void pause_once() { ::poll(nullptr, 0, static_cast<int>(poll_interval.count())); }

std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string line{*entry};
    // Nothing of the developer's own settings may reach a test's programs.
    if (line.rfind("HIVE_", 0) != 0) all.push_back(line);
  }
  all.insert(all.end(), additions.begin(), additions.end());
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

process::process(std::vector<std::string> arguments, const std::filesystem::path& output,
                 const std::vector<std::string>& environment)
    : output_(output) {
  auto variables = merged_environment(environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failed = ::posix_spawnp(&pid_, arguments.front().c_str(), &actions, &attributes, pointers(arguments).data(),
                                    pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) throw std::runtime_error("cannot start " + arguments.front());
}

process::~process() { kill(); }

process::process(process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_), output_(std::move(other.output_)) {}

process& process::operator=(process&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    status_ = other.status_;
    output_ = std::move(other.output_);
  }
  return *this;
}

void process::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

void process::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = 128 + SIGKILL;
  pid_ = -1;
}

int process::wait(std::chrono::milliseconds patience) {
  eventually([this] { return !is_running(); }, patience);
  return pid_ > 0 ? -1 : status_;
}

bool process::is_running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  return false;
}

std::string process::output() const {
  std::ifstream file{output_};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

finished run(std::vector<std::string> arguments, const std::vector<std::string>& environment,
             std::chrono::milliseconds patience) {
  const temporary_folder folder;
  process child{std::move(arguments), folder.path() / "output", environment};
  finished result;
  result.status = child.wait(patience);
  result.output = child.output();
  return result;
}

bool eventually(const std::function<bool()>& is_done, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!is_done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    pause_once();
  }
  return true;
}

}  // namespace hive::test
