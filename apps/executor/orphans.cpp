#include "apps/executor/orphans.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <sstream>

namespace hive::executor {
namespace {

namespace fs = std::filesystem;

constexpr int passes_max = 1'000;  // each ends at least one process, and its children come to us

std::atomic<bool> is_adopting{false};
// Held by whoever starts a process until it is registered: a process must never be taken for an orphan.
std::shared_mutex leaders_mutex;
std::mutex leaders_set_mutex;
std::set<pid_t> leaders;

bool is_leader(pid_t pid) {
  const std::lock_guard lock{leaders_set_mutex};
  return leaders.contains(pid);
}

std::vector<pid_t> own_children() {
  std::vector<pid_t> children;
  std::error_code failure;
  for (const auto& thread : fs::directory_iterator{"/proc/self/task", failure}) {
    std::ifstream list{thread.path() / "children"};
    for (pid_t pid = 0; list >> pid;) children.push_back(pid);
  }
  return children;
}

struct process_state {
  char letter = '?';  // Z: a zombie
  pid_t group = 0;
};

process_state state_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  const std::size_t name_end = text.rfind(')');
  process_state state;
  if (name_end == std::string::npos) return state;
  std::istringstream fields{text.substr(name_end + 1)};
  pid_t parent = 0;
  fields >> state.letter >> parent >> state.group;
  return state;
}

bool has_token(pid_t pid, const std::string& token) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/environ", std::ios::binary};
  for (std::string variable; std::getline(file, variable, '\0');) {
    if (variable == token) return true;
  }
  return false;
}

/// True if something was ended.
bool end_one_pass(pid_t leader, const std::string& token) {
  bool has_ended = false;
  for (const pid_t pid : own_children()) {
    if (is_leader(pid)) continue;
    const process_state state = state_of(pid);
    if (state.letter == 'Z') {
      has_ended |= ::waitpid(pid, nullptr, WNOHANG) == pid;
      continue;
    }
    if (state.group != leader && !has_token(pid, token)) continue;
    ::kill(pid, SIGKILL);
    has_ended |= ::waitpid(pid, nullptr, 0) == pid;
  }
  return has_ended;
}

}  // namespace

bool adopt_orphans() {
  is_adopting = ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
  return is_adopting;
}

result<spawned_process> spawn_leader(const spawn_request& request) {
  const std::shared_lock starting{leaders_mutex};
  auto process = spawn(request);
  if (!process) return process;
  const std::lock_guard lock{leaders_set_mutex};
  leaders.insert(process->pid);
  return process;
}

void forget_leader(pid_t pid) {
  const std::lock_guard lock{leaders_set_mutex};
  leaders.erase(pid);
}

void end_orphans(pid_t leader, const std::string& token) {
  if (!is_adopting) return;
  const std::unique_lock nobody_starts{leaders_mutex};
  for (int pass = 0; pass < passes_max && end_one_pass(leader, token); ++pass) {
  }
}

}  // namespace hive::executor
