#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "gate/acceptor.hpp"
#include "gate/authority.hpp"
#include "tests/gate/frames.hpp"

namespace hive::gate::test {

constexpr std::chrono::seconds patience{20};

/// A folder that is removed with all it holds.
class temporary_folder {
 public:
  temporary_folder();
  ~temporary_folder();
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& text);
std::string read_file(const std::filesystem::path& path);

/// An authority, and files of certificates that it issued.
class test_authority {
 public:
  explicit test_authority(const std::string& cluster = "demo");

  /// Writes NAME.crt and NAME.key (again, if they are there).
  tls_files issue(const std::string& name, role_set roles) const;
  tls_files issue(const certificate_request& request) const;
  [[nodiscard]] const key_pair& pair() const { return pair_; }
  [[nodiscard]] std::string file() const { return (folder_.path() / "authority.crt").string(); }

 private:
  temporary_folder folder_;
  key_pair pair_;
};

/// Remembers what the gate tells, and waits for it.
class recording_observer final : public gate_observer {
 public:
  void on_joined(const identity& who) override;
  void on_refused(refusal reason) override;
  void on_connections(std::size_t joined, std::size_t pending) override;

  /// False if it did not happen in time.
  bool wait_refused(refusal reason, std::size_t count = 1);
  bool wait_connections(std::size_t joined, std::size_t pending);
  [[nodiscard]] std::size_t refused(refusal reason) const;
  [[nodiscard]] std::size_t joined_ever() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<refusal, std::size_t> refused_;
  std::size_t joined_ever_ = 0;
  std::size_t joined_ = 0;
  std::size_t pending_ = 0;
};

/// A gate on a free loopback port. What it would hand to BASP comes out of next_joined().
class test_gate {
 public:
  explicit test_gate(const acceptor_limits& limits = {}, const test_authority* authority = nullptr);
  ~test_gate();

  /// BASP's end of the next connection, blocking; the caller closes it. -1 if none came in time.
  int next_joined();

  test_authority own_authority;
  checked_node node;
  recording_observer observer;
  tls_files node_files;
  std::unique_ptr<acceptor> gate;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> joined_;
};

/// Everything that was logged so far by this process.
std::string logged();
/// True once the log holds a line with both texts.
bool wait_logged(const std::string& one, const std::string& other);

}  // namespace hive::gate::test
