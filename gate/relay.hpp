#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gate/frame_check.hpp"
#include "gate/frame_reply.hpp"
#include "gate/refusal.hpp"
#include "gate/tls_stream.hpp"

namespace hive::gate {

/// Bytes that wait to be written, first in, first out.
class byte_queue {
 public:
  [[nodiscard]] std::size_t size() const { return bytes_.size() - start_; }
  [[nodiscard]] bool is_empty() const { return size() == 0; }
  [[nodiscard]] std::span<const std::uint8_t> waiting() const { return std::span(bytes_).subspan(start_); }
  /// For appending.
  std::vector<std::uint8_t>& tail() { return bytes_; }
  void take(std::size_t count);

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t start_ = 0;
};

/// Moves one connection's bytes between TLS and the plain socket that BASP holds the other end of; what comes in passes
/// the frame check. Both sockets are non-blocking and edge-triggered: after a step each direction waits for its source
/// or for its sink. A direction whose sink does not take more stops reading its source, so at most `buffer_bytes_max`
/// and one TLS record wait for each. Not thread-safe.
class relay {
 public:
  static constexpr std::size_t buffer_bytes_max = 256U << 10U;

  /// Owns both. The plain socket may come later: until then what comes in is checked and kept.
  relay(tls_stream stream, const frame_check::options& check);
  ~relay();
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

  void attach(int plain_socket);
  [[nodiscard]] int plain_socket() const { return plain_; }
  [[nodiscard]] tls_stream& stream() { return stream_; }

  enum class outcome : std::uint8_t {
    waiting,  // for a socket
    busy,     // more can be moved now; others first
    ended     // see why()
  };
  /// Moves what can be moved without waiting, up to a bound.
  outcome step();
  [[nodiscard]] const ending& why() const { return why_; }

  [[nodiscard]] const frame_check& incoming() const { return check_; }
  /// Messages that were taken out since the last call. The caller answers them with answer().
  std::vector<denied_message> take_denied() { return check_.take_denied(); }
  /// Sends a frame of our own to the peer, between two of BASP's. False if too much waits already.
  bool answer(std::vector<std::uint8_t> frame);

  /// Grow with every byte from and to the peer.
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  [[nodiscard]] bool has_unsent() const { return !to_peer_.is_empty(); }
  /// BASP does not take what came in, so nothing more is read from the peer.
  [[nodiscard]] bool is_held_up() const { return to_basp_.size() >= buffer_bytes_max; }

 private:
  enum class flow : std::uint8_t { blocked, busy, ended };

  flow move_in();
  flow move_out();
  flow flush_to_basp();
  flow flush_to_peer();
  flow end(refusal reason, std::string detail);

  tls_stream stream_;
  frame_check check_;
  frame_splicer splicer_;
  int plain_ = -1;
  byte_queue to_basp_;
  byte_queue to_peer_;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  ending why_;
};

/// A pair of connected stream sockets: first ours, non-blocking; second for BASP. {-1, -1} if there is none to be had.
struct plain_pair {
  int ours = -1;
  int theirs = -1;
};
plain_pair make_plain_pair();

}  // namespace hive::gate
