#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace hive::test {

struct http_answer {
  int status = 0;  // 0: nobody answered
  std::string head;
  std::string body;

  [[nodiscard]] bool has(const std::string& line) const {
    return head.find("\r\n" + line + "\r\n") != std::string::npos;
  }
};

/// A TCP connection to 127.0.0.1 that says what it is told, HTTP or not. Blocks for at most `patience_s`.
class http_connection {
 public:
  explicit http_connection(std::uint16_t port, int patience_s = 20)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{patience_s, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    is_open_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~http_connection() { ::close(socket_); }
  http_connection(const http_connection&) = delete;
  http_connection& operator=(const http_connection&) = delete;

  [[nodiscard]] bool is_open() const { return is_open_; }

  /// False if the other side has ended the connection.
  bool send(const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const auto count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<std::size_t>(count);
    }
    return is_open_;
  }

  /// One answer: its header and as many bytes as that promises. `has_body`: not that to HEAD.
  http_answer receive(bool has_body = true) {
    http_answer answer;
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos)
      if (!read_more()) return answer;
    answer.head = received_.substr(0, end + 2);
    answer.status = std::atoi(answer.head.substr(answer.head.find(' ') + 1, 3).c_str());
    const auto length_at = answer.head.find("Content-Length: ");
    const std::size_t length = !has_body || length_at == std::string::npos
                                   ? 0
                                   : std::strtoul(answer.head.c_str() + length_at + 16, nullptr, 10);
    received_.erase(0, end + 4);
    while (received_.size() < length)
      if (!read_more()) return answer;
    answer.body = received_.substr(0, length);
    received_.erase(0, length);
    return answer;
  }

  http_answer get(const std::string& path, const std::string& more = {}) {
    if (!send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n")) return {};
    return receive();
  }

  /// Waits until the other side ends the connection; false if it sends more, or keeps it.
  bool is_ended() {
    char byte = 0;
    return received_.empty() && (::recv(socket_, &byte, 1, 0) == 0 || errno == ECONNRESET);
  }

 private:
  bool read_more() {
    char part[4096];
    const auto count = ::recv(socket_, part, sizeof part, 0);
    if (count > 0) received_.append(part, static_cast<std::size_t>(count));
    return count > 0;
  }

  int socket_ = -1;
  bool is_open_ = false;
  std::string received_;
};

/// On a connection of its own.
inline http_answer http_get(std::uint16_t port, const std::string& path) { return http_connection(port).get(path); }

}  // namespace hive::test
