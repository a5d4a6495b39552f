#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace hive::test {

/// Passes bytes between a free port and `target_port`, and cuts its connections when told to.
class tcp_relay {
 public:
  explicit tcp_relay(std::uint16_t target_port);
  ~tcp_relay();
  tcp_relay(const tcp_relay&) = delete;
  tcp_relay& operator=(const tcp_relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Closes what is open; new connections are taken.
  void cut() { cuts_wanted_ = true; }

 private:
  void run();

  std::uint16_t target_port_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> cuts_wanted_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace hive::test
