#include "gate/tunnel.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hive::gate {
namespace {

using clock = std::chrono::steady_clock;

/// Of the epoll set; the sockets need none, a step looks at both.
constexpr std::uint64_t wake_key = 1;
constexpr std::int64_t retry_ms = 100;
constexpr std::uint32_t traffic_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

error describe(const ending& failure, const std::string& server_name) {
  switch (failure.reason) {
    case refusal::unknown_authority:
    case refusal::expired_certificate:
    case refusal::bad_certificate:
      return {errc::permission_denied, "the certificate of " + server_name + " is refused: " + failure.detail, {}};
    case refusal::plain_client:
      return {errc::unavailable, server_name + " does not speak TLS (" + failure.detail + ")", {}};
    default:
      return {errc::unavailable, "no TLS connection to " + server_name + ": " + failure.detail, {}};
  }
}

result<void> shake(tls_stream& stream, const tunnel::options& how) {
  const auto deadline = clock::now() + how.timeout;
  for (;;) {
    const auto state = stream.handshake();
    if (state == tls_stream::progress::done) return {};
    if (state != tls_stream::progress::blocked) return describe(stream.failure(), how.server_name);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    if (left <= 0) return error{errc::unavailable, how.server_name + " did not answer the TLS handshake in time", {}};
    // It waits to read, but for a full send buffer, which is tried again soon.
    pollfd waiting{stream.socket(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, retry_ms)));
  }
}

void close_all(std::initializer_list<int> descriptors) {
  for (const int one : descriptors) {
    if (one >= 0) ::close(one);
  }
}

bool watch(int poll, int descriptor, std::uint32_t events, std::uint64_t key) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.u64 = key;
  return ::epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &wanted) == 0;
}

}  // namespace

result<void> tunnel::check(const tls_files& files) {
  const auto loaded = tls_context::load(files, tls_end::client);
  if (loaded) return {};
  error failure = loaded.failure();
  for (const auto& [field, path] :
       {std::pair{"certificate", &files.certificate}, {"key", &files.key}, {"authority", &files.authority}}) {
    // The context's messages name the file to blame first.
    const std::string named = "the " + std::string{field} + " " + *path;
    if (failure.field.empty() && failure.message.find(named) != std::string::npos) failure.field = field;
  }
  return failure;
}

result<std::unique_ptr<tunnel>> tunnel::open(int socket, const options& how) {
  // Read anew each time: a certificate that was replaced is used from the next connection on.
  auto context = tls_context::load(how.files, tls_end::client);
  if (!context) {
    ::close(socket);
    return context.failure();
  }
  auto stream = tls_stream::make(*context, socket, how.server_name);
  if (!stream) return stream.failure();
  if (auto shaken = shake(*stream, how); !shaken) return shaken.failure();
  if (auto who = stream->peer(); !who)
    return error{
        errc::permission_denied, "the certificate of " + how.server_name + " is refused: " + who.failure().message, {}};
  const plain_pair pair = make_plain_pair();
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (pair.ours < 0 || poll < 0 || wake < 0 || !watch(poll, pair.ours, traffic_events, 0) ||
      !watch(poll, stream->socket(), traffic_events, 0) || !watch(poll, wake, EPOLLIN, wake_key)) {
    const std::string why = std::strerror(errno);
    close_all({pair.ours, pair.theirs, poll, wake});
    return error{errc::resource_exhausted, "cannot make a TLS connection: " + why, {}};
  }
  return std::unique_ptr<tunnel>(new tunnel(std::move(*stream), how, pair, poll, wake));
}

tunnel::tunnel(tls_stream stream, const options& how, plain_pair pair, int poll, int wake)
    : traffic_(std::move(stream), {.protects = frame_check::side::client, .payload_bytes_max = how.payload_bytes_max}),
      theirs_(pair.theirs),
      poll_(poll),
      wake_(wake) {
  traffic_.attach(pair.ours);
  thread_ = std::thread([this] { run(); });
}

tunnel::~tunnel() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
  thread_.join();
  close_all({theirs_, poll_, wake_});
}

int tunnel::take_socket() { return std::exchange(theirs_, -1); }

std::string tunnel::ended_by_peer() const {
  const std::lock_guard lock(mutex_);
  return ended_by_peer_;
}

void tunnel::run() {
  bool is_stopping = false;
  auto outcome = relay::outcome::busy;
  while (!is_stopping && outcome != relay::outcome::ended) {
    std::array<epoll_event, 4> events{};
    const int timeout = outcome == relay::outcome::busy ? 0 : -1;
    const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout);
    for (int at = 0; at < count; ++at) is_stopping |= events[static_cast<std::size_t>(at)].data.u64 == wake_key;
    outcome = traffic_.step();
  }
  if (outcome == relay::outcome::ended) {
    const ending& why = traffic_.why();
    const std::lock_guard lock(mutex_);
    ended_by_peer_ = why.reason == refusal::none ? why.detail : "the node sent " + why.detail;
  }
  // CAF sees the end of its socket.
  traffic_.stream().say_goodbye();
  ::shutdown(traffic_.plain_socket(), SHUT_RDWR);
}

}  // namespace hive::gate
