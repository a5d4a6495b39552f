#include "apps/hive-bench/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto stop_patience = 30s;

// What must not stay behind when this process is told to end.
struct held_things {
  std::mutex mutex;
  std::set<pid_t> pids;
  std::set<std::filesystem::path> folders;
};

held_things& held() {
  static held_things things;
  return things;
}

}  // namespace

std::filesystem::path program_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

std::string text_of(const std::filesystem::path& file) {
  std::ifstream text{file};
  return {std::istreambuf_iterator<char>{text}, {}};
}

bool poll_until(const std::function<bool()>& is_done, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!is_done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void leave(int status) {
  std::lock_guard lock(held().mutex);
  for (const auto pid : held().pids) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  std::error_code ignored;
  for (const auto& folder : held().folders) std::filesystem::remove_all(folder, ignored);
  ::_exit(status);
}

child::child(std::vector<std::string> arguments, const std::string& output) {
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::lock_guard lock(held().mutex);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot start " + arguments.front());
  if (pid_ > 0) {
    held().pids.insert(pid_);
    return;
  }
  // Only async-signal-safe calls from here on. The child must not outlive this process, whatever ends it.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = ::open("/dev/null", O_RDONLY);
  const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (input < 0 || log < 0 || ::dup2(input, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(126);
  ::execv(pointers.front(), pointers.data());
  ::_exit(127);
}

void child::forget() const {
  std::lock_guard lock(held().mutex);
  held().pids.erase(pid_);
  pid_ = -1;
}

bool child::is_running() const {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  forget();
  return false;
}

void child::terminate() const {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void child::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  forget();
}

double child::cpu_seconds() const {
  const auto text = text_of("/proc/" + std::to_string(pid_) + "/stat");
  const auto end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields{text.substr(end_of_name + 1)};
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

child::~child() {
  if (pid_ <= 0) return;
  terminate();
  if (!poll_until([this] { return !is_running(); }, stop_patience)) kill();
}

run_folder::run_folder(const std::string& parent) {
  const std::filesystem::path where =
      parent.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path{parent};
  std::string pattern = (where / "hive-bench-XXXXXX").string();
  std::lock_guard lock(held().mutex);
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder in " + where.string());
  path_ = pattern;
  held().folders.insert(path_);
}

run_folder::~run_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  std::lock_guard lock(held().mutex);
  held().folders.erase(path_);
}

}  // namespace hive::bench
