#include "tests/gate/gate_fixture.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "config/logging.hpp"

namespace hive::gate::test {
namespace {

const temporary_folder& log_folder() {
  static const temporary_folder folder;
  return folder;
}

std::filesystem::path log_file() {
  static const auto path = [] {
    config::log_config log;
    log.file = (log_folder().path() / "gate.log").string();
    REQUIRE(config::configure_logging(log));
    return std::filesystem::path(log.file);
  }();
  return path;
}

}  // namespace

temporary_folder::temporary_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "hive-gate-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  const auto draft = path.string() + ".new";
  std::ofstream(draft) << text;
  std::filesystem::rename(draft, path);
}

std::string read_file(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

test_authority::test_authority(const std::string& cluster) {
  const auto made = make_authority(cluster, valid_for_days(10));
  REQUIRE(made);
  pair_ = *made;
  write_file(file(), pair_.certificate);
}

tls_files test_authority::issue(const std::string& name, role_set roles) const {
  return issue({name, roles, {"localhost", "127.0.0.1"}, valid_for_days(1)});
}

tls_files test_authority::issue(const certificate_request& request) const {
  const auto issued = issue_certificate(pair_, request);
  REQUIRE(issued);
  const tls_files files{(folder_.path() / (request.name + ".crt")).string(),
                        (folder_.path() / (request.name + ".key")).string(), file()};
  write_file(files.certificate, issued->certificate);
  write_file(files.key, issued->key);
  return files;
}

void recording_observer::on_joined(const identity&) {
  const std::lock_guard lock(mutex_);
  ++joined_ever_;
  changed_.notify_all();
}

void recording_observer::on_refused(refusal reason) {
  const std::lock_guard lock(mutex_);
  ++refused_[reason];
  changed_.notify_all();
}

void recording_observer::on_connections(std::size_t joined, std::size_t pending) {
  const std::lock_guard lock(mutex_);
  joined_ = joined;
  pending_ = pending;
  changed_.notify_all();
}

bool recording_observer::wait_refused(refusal reason, std::size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return refused_[reason] >= count; });
}

bool recording_observer::wait_connections(std::size_t joined, std::size_t pending) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return joined_ == joined && pending_ == pending; });
}

std::size_t recording_observer::refused(refusal reason) const {
  const std::lock_guard lock(mutex_);
  const auto found = refused_.find(reason);
  return found == refused_.end() ? 0 : found->second;
}

std::size_t recording_observer::joined_ever() const {
  const std::lock_guard lock(mutex_);
  return joined_ever_;
}

test_gate::test_gate(const acceptor_limits& limits, const test_authority* authority) {
  log_file();
  node_files = (authority == nullptr ? own_authority : *authority).issue("first", role::node);
  acceptor_options options;
  options.listen = {"127.0.0.1", 0};
  options.files = node_files;
  options.limits = limits;
  options.rules = std::make_shared<access_rules>(node.rules);
  options.own_id = node.own;
  options.observer = &observer;
  options.join = [this](int socket) -> result<void> {
    ::fcntl(socket, F_SETFL, 0);  // the tests read it blocking
    const std::lock_guard lock(mutex_);
    joined_.push_back(socket);
    changed_.notify_all();
    return {};
  };
  auto started = acceptor::start(std::move(options));
  if (!started) FAIL(to_string(started.failure()));
  gate = std::move(*started);
}

test_gate::~test_gate() {
  gate.reset();
  for (const int socket : joined_) ::close(socket);
}

int test_gate::next_joined() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, patience, [&] { return !joined_.empty(); })) return -1;
  const int socket = joined_.front();
  joined_.pop_front();
  return socket;
}

std::string logged() {
  config::logger("gate")->flush();
  return read_file(log_file());
}

bool wait_logged(const std::string& one, const std::string& other) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    std::istringstream lines(logged());
    for (std::string line; std::getline(lines, line);) {
      if (line.find(one) != std::string::npos && line.find(other) != std::string::npos) return true;
    }
    std::this_thread::yield();
  }
  return false;
}

}  // namespace hive::gate::test
