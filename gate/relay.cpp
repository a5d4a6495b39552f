#include "gate/relay.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace hive::gate {
namespace {

constexpr std::size_t chunk_bytes = 16U << 10U;  // a TLS record
constexpr int chunks_per_step = 16;
/// A queue that had much to hold gives it back when it is empty.
constexpr std::size_t kept_bytes_max = 64U << 10U;
/// Answers of our own that may wait.
constexpr std::size_t answer_bytes_max = 64U << 10U;

}  // namespace

void byte_queue::take(std::size_t count) {
  start_ += count;
  if (start_ < bytes_.size()) {
    if (start_ < kept_bytes_max) return;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<long>(start_));
  } else {
    bytes_.clear();
    if (bytes_.capacity() > kept_bytes_max) bytes_.shrink_to_fit();
  }
  start_ = 0;
}

plain_pair make_plain_pair() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) return {};
  return {ends[0], ends[1]};
}

relay::relay(tls_stream stream, const frame_check::options& check) : stream_(std::move(stream)), check_(check) {}

relay::~relay() {
  stream_.say_goodbye();
  if (plain_ >= 0) ::close(plain_);
}

void relay::attach(int plain_socket) { plain_ = plain_socket; }

bool relay::answer(std::vector<std::uint8_t> frame) {
  if (splicer_.insert_bytes() + frame.size() > answer_bytes_max) return false;
  splicer_.insert(std::move(frame));
  return true;
}

relay::flow relay::end(refusal reason, std::string detail) {
  why_ = {reason, std::move(detail)};
  return flow::ended;
}

relay::outcome relay::step() {
  const flow in = move_in();
  if (in == flow::ended) {
    // What was good before the end may still arrive.
    flush_to_basp();
    return outcome::ended;
  }
  const flow out = move_out();
  if (out == flow::ended) return outcome::ended;
  return in == flow::busy || out == flow::busy ? outcome::busy : outcome::waiting;
}

relay::flow relay::flush_to_basp() {
  while (plain_ >= 0 && !to_basp_.is_empty()) {
    const auto waiting = to_basp_.waiting();
    const ssize_t count = ::send(plain_, waiting.data(), waiting.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return flow::blocked;
    if (count < 0) return flow::ended;
    to_basp_.take(static_cast<std::size_t>(count));
  }
  return flow::blocked;
}

relay::flow relay::move_in() {
  std::array<std::uint8_t, chunk_bytes> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before read
  for (int round = 0; round < chunks_per_step; ++round) {
    if (flush_to_basp() == flow::ended) return end(refusal::none, "BASP closed the connection");
    if (to_basp_.size() >= buffer_bytes_max) return flow::blocked;
    const auto read = stream_.read(chunk);
    if (read.state == tls_stream::progress::blocked) return flow::blocked;
    if (read.state == tls_stream::progress::closed) return end(refusal::none, "the peer closed the connection");
    if (read.state == tls_stream::progress::failed) return end(refusal::none, stream_.failure().detail);
    received_bytes_ += read.bytes;
    const auto fault = check_.feed(std::span(chunk).first(read.bytes), to_basp_.tail());
    if (fault != frame_fault::none) return end(refusal::bad_frame, std::string(to_string(fault)));
    // Not attached yet: the caller looks at the handshake first.
    if (plain_ < 0) return flow::busy;
  }
  return flow::busy;
}

relay::flow relay::flush_to_peer() {
  while (!to_peer_.is_empty()) {
    const auto written = stream_.write(to_peer_.waiting());
    if (written.state == tls_stream::progress::blocked) return flow::blocked;
    if (written.state != tls_stream::progress::done) return flow::ended;
    sent_bytes_ += written.bytes;
    to_peer_.take(written.bytes);
  }
  return flow::busy;
}

relay::flow relay::move_out() {
  std::array<std::uint8_t, chunk_bytes> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before read
  for (int round = 0; round < chunks_per_step; ++round) {
    if (to_peer_.size() < buffer_bytes_max) splicer_.pass({}, to_peer_.tail());
    if (flush_to_peer() == flow::ended) return end(refusal::none, stream_.failure().detail);
    if (plain_ < 0 || to_peer_.size() >= buffer_bytes_max) return flow::blocked;
    const ssize_t count = ::recv(plain_, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return flow::blocked;
    if (count < 0) return end(refusal::none, std::strerror(errno));
    if (count == 0) return end(refusal::none, "BASP closed the connection");
    splicer_.pass(std::span(chunk).first(static_cast<std::size_t>(count)), to_peer_.tail());
  }
  return flow::busy;
}

}  // namespace hive::gate
