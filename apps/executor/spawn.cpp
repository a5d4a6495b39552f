#include "apps/executor/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace hive::executor {
namespace {

constexpr int first_free_fd = 3;

error system_failure(const std::string& what, int code) {
  return {errc::unavailable, what + ": " + std::strerror(code), {}};
}

struct pipe_ends {
  unique_fd reading;
  unique_fd writing;
};

/// Both ends beyond 2, so that dup2 in the child never lands on its own source.
result<pipe_ends> make_pipe() {
  std::array<int, 2> raw{};
  if (::pipe2(raw.data(), O_CLOEXEC) != 0) return system_failure("cannot create a pipe", errno);
  const unique_fd low_reading{raw[0]};
  const unique_fd low_writing{raw[1]};
  pipe_ends ends{unique_fd{::fcntl(raw[0], F_DUPFD_CLOEXEC, first_free_fd)},
                 unique_fd{::fcntl(raw[1], F_DUPFD_CLOEXEC, first_free_fd)}};
  if (!ends.reading.is_open() || !ends.writing.is_open()) return system_failure("cannot create a pipe", errno);
  if (::fcntl(ends.reading.get(), F_SETFL, O_NONBLOCK) != 0) return system_failure("cannot set up a pipe", errno);
  return ends;
}

/// Standard input as a file in memory: no pipe to feed, none to fill up, and no SIGPIPE when nobody reads it.
result<unique_fd> make_stdin(const std::string& text) {
  const unique_fd low{::memfd_create("hive-stdin", MFD_CLOEXEC)};
  if (!low.is_open()) return system_failure("cannot create the standard input", errno);
  unique_fd file{::fcntl(low.get(), F_DUPFD_CLOEXEC, first_free_fd)};
  if (!file.is_open()) return system_failure("cannot create the standard input", errno);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(file.get(), text.data() + done, text.size() - done);
    if (written < 0) return system_failure("cannot write the standard input", errno);
    done += static_cast<std::size_t>(written);
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return system_failure("cannot rewind the standard input", errno);
  return file;
}

bool is_executable_file(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// execvp would search in the worker's PATH, not in the one that the task was given.
result<std::string> find_program(const spawn_request& request) {
  const std::string& name = request.argv.front();
  if (name.find('/') != std::string::npos) return name;
  const auto path =
      std::find_if(request.env.begin(), request.env.end(), [](const auto& entry) { return entry.first == "PATH"; });
  const std::string folders = path == request.env.end() ? "/usr/local/bin:/usr/bin:/bin" : path->second;
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string candidate = folders.substr(begin, end - begin) + "/" + name;
    if (end > begin && is_executable_file(candidate)) return candidate;
    begin = end + 1;
  }
  return error{errc::not_found, "the program '" + name + "' is not in PATH (" + folders + ")", "payload.argv[0]"};
}

/// posix_spawn's actions and attributes, destroyed at the end.
class spawn_settings {
 public:
  spawn_settings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  spawn_settings(const spawn_settings&) = delete;
  spawn_settings& operator=(const spawn_settings&) = delete;
  ~spawn_settings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// 0 or the error of the first call that failed.
  int set(int input, int output, int error_output, const std::string& cwd) {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    constexpr short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
    const std::array<int, 8> codes = {::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO),
                                      ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO),
                                      ::posix_spawn_file_actions_adddup2(&actions_, error_output, STDERR_FILENO),
                                      ::posix_spawn_file_actions_addclosefrom_np(&actions_, first_free_fd),
                                      ::posix_spawnattr_setsigmask(&attributes_, &none),
                                      ::posix_spawnattr_setsigdefault(&attributes_, &all),
                                      ::posix_spawnattr_setpgroup(&attributes_, 0),
                                      ::posix_spawnattr_setflags(&attributes_, flags)};
    const auto failed = std::find_if(codes.begin(), codes.end(), [](int code) { return code != 0; });
    if (failed != codes.end()) return *failed;
    return cwd.empty() ? 0 : ::posix_spawn_file_actions_addchdir_np(&actions_, cwd.c_str());
  }

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

error spawn_failure(const spawn_request& request, int code) {
  const std::string what =
      "cannot start '" + request.argv.front() + "'" + (request.cwd.empty() ? "" : " in " + request.cwd);
  const bool is_systems_fault = code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE;
  return {is_systems_fault ? errc::unavailable : errc::not_found, what + ": " + std::strerror(code), "payload.argv[0]"};
}

}  // namespace

void unique_fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

result<spawned_process> spawn(const spawn_request& request) {
  auto program = find_program(request);
  if (!program) return program.failure();
  auto input = make_stdin(request.stdin_text);
  if (!input) return input.failure();
  auto output = make_pipe();
  if (!output) return output.failure();
  auto error_output = make_pipe();
  if (!error_output) return error_output.failure();

  spawn_settings settings;
  const int refused = settings.set(input->get(), output->writing.get(), error_output->writing.get(), request.cwd);
  if (refused != 0) return system_failure("cannot prepare the process", refused);
  std::vector<std::string> arguments = request.argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : request.env) variables.push_back(name + "=" + value);

  spawned_process process;
  const int code = ::posix_spawn(&process.pid, program->c_str(), settings.actions(), settings.attributes(),
                                 pointers_to(arguments).data(), pointers_to(variables).data());
  if (code != 0) return spawn_failure(request, code);
  process.pidfd = unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0))};
  if (!process.pidfd.is_open()) {
    const int failure = errno;
    ::kill(-process.pid, SIGKILL);
    ::waitpid(process.pid, nullptr, 0);
    return system_failure("cannot watch the process", failure);
  }
  process.stdout_pipe = std::move(output->reading);
  process.stderr_pipe = std::move(error_output->reading);
  return process;
}

}  // namespace hive::executor
