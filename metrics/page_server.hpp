#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace hive::metrics {

/// What a page says: text, and its HTTP status.
struct page_answer {
  unsigned status = 200;
  std::string text;
};

/// One page, asked for by GET or HEAD.
struct page {
  std::string path;  // "/metrics"
  /// Brief pages are answered by the thread that serves all connections, so they must not wait for anything. The
  /// others take turns on a thread of their own, and go compressed to those who can read it.
  bool is_brief = true;
  std::function<page_answer()> answer;
};

/// What a client may take. Beyond `connections_max` the connection that has been silent longest is closed for the new
/// one, so that nobody can lock others out by connecting and saying nothing.
struct page_limits {
  std::size_t connections_max = 256;
  std::uint32_t header_bytes_max = 8192;
  std::size_t waiting_max = 16;                // requests that wait for the thread of the pages that are not brief
  std::chrono::milliseconds request{10'000};   // from the connection, or the last answer, to the end of a header
  std::chrono::milliseconds answer{10'000};    // for a page that is not brief
  std::chrono::milliseconds transfer{10'000};  // for a client to read its answer
};

/// A small HTTP/1.1 server for operators: a few pages, GET and HEAD, no bodies, no TLS. Two threads of its own, none of
/// which waits for a client. Answers 400 to what is not HTTP, 404 with a list of the pages, 405 to other methods, 413
/// to a request with a body, 431 to a header that is too long, and 503 if an answer takes too long.
class page_server {
 public:
  /// At host:port, an address or "localhost"; port 0: a free one. unavailable if it cannot bind.
  static result<std::unique_ptr<page_server>> open(const std::string& host, std::uint16_t port, std::vector<page> pages,
                                                   page_limits limits = {});
  /// Closes all connections; waits for an answer that is being made.
  ~page_server();
  page_server(const page_server&) = delete;
  page_server& operator=(const page_server&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  struct state;
  explicit page_server(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

}  // namespace hive::metrics
