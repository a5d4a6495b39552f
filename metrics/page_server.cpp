// The only source that includes Boost: its templates take long to compile.
#include "metrics/page_server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <list>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "metrics/gzip.hpp"

namespace hive::metrics {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using beast::error_code;

namespace {

constexpr const char* content_type = "text/plain; charset=utf-8";
/// Shorter texts fit into one packet anyway.
constexpr std::size_t gzip_bytes_min = 1024;
/// After an answer that ends the connection, what the client has still sent is read, or the kernel would throw the
/// answer away together with it. So much and so long at most.
constexpr std::size_t farewell_bytes_max = 256UL << 10U;
constexpr std::chrono::milliseconds farewell_max{1000};
/// Out of descriptors: not at once again.
constexpr std::chrono::milliseconds accept_pause{100};
constexpr int backlog = 128;

bool is_parse_error(const error_code& problem) {
  return problem.category() == http::make_error_code(http::error::bad_method).category();
}

bool is_too_long(const error_code& problem) {
  return problem == http::error::header_limit || problem == http::error::buffer_overflow;
}

/// Whether `field` (Accept-Encoding) takes gzip; "gzip;q=0" does not.
bool takes_gzip(std::string_view field) {
  const auto at = field.find("gzip");
  if (at == std::string_view::npos) return false;
  const auto end = std::min(field.find(',', at), field.size());
  std::string rest(field.substr(at + 4, end - at - 4));
  std::erase(rest, ' ');
  return !rest.starts_with(";q=0") || rest.find_first_of("123456789") != std::string::npos;
}

page_answer ask(const page& asked) {
  try {
    return asked.answer();
  } catch (const std::exception& problem) {
    return {500, std::string("internal error: ") + problem.what() + "\n"};
  }
}

struct made_answer {
  page_answer answer;
  bool is_packed = false;
};

made_answer make(const page& asked, bool takes_packed) {
  made_answer made{ask(asked)};
  if (!takes_packed || made.answer.text.size() < gzip_bytes_min) return made;
  auto packed = gzip(made.answer.text);
  if (packed.empty()) return made;
  made.answer.text = std::move(packed);
  made.is_packed = true;
  return made;
}

class session;

/// What all connections share. But for `waiting` it belongs to the thread that runs `io`.
struct server_core {
  server_core(std::vector<page> pages_served, page_limits limits_set)
      : pages(std::move(pages_served)), limits(limits_set) {}

  [[nodiscard]] const page* find(std::string_view path) const {
    const auto found = std::find_if(pages.begin(), pages.end(), [&](const page& one) { return one.path == path; });
    return found == pages.end() ? nullptr : &*found;
  }

  const std::vector<page> pages;
  const page_limits limits;
  std::list<session*> sessions;  // the one that has been silent longest first; before `io`, whose end ends them
  std::atomic<std::size_t> waiting{0};
  asio::io_context io{1};
  asio::thread_pool worker{1};  // pages that are not brief
};

/// One connection: request, answer, request...
class session : public std::enable_shared_from_this<session> {
 public:
  session(server_core& core, tcp::socket socket)
      : core_(core),
        stream_(std::move(socket)),
        buffer_(core.limits.header_bytes_max),
        answer_timer_(core.io),
        place_(core.sessions.insert(core.sessions.end(), this)) {}
  ~session() { core_.sessions.erase(place_); }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(core_.limits.header_bytes_max);
    stream_.expires_after(core_.limits.request);  // for the whole header, however slowly it drips
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& problem, std::size_t) { self->on_header(problem); });
  }

  /// Whatever is under way ends with an error.
  void close() {
    answer_timer_.cancel();
    stream_.close();
  }

 private:
  void on_header(const error_code& problem) {
    is_kept_ = false;
    is_head_ = false;
    if (is_too_long(problem)) {
      send({431, "the header is longer than " + std::to_string(core_.limits.header_bytes_max) + " bytes\n"});
    } else if (problem == http::error::end_of_stream || (problem && !is_parse_error(problem))) {
      close();
    } else if (problem) {
      send({400, "not a request of HTTP/1.1: " + problem.message() + "\n"});
    } else {
      core_.sessions.splice(core_.sessions.end(), core_.sessions, place_);
      answer();
    }
  }

  void answer() {
    const auto& request = parser_->get();
    is_head_ = request.method() == http::verb::head;
    // What comes after this header would be taken for the next request.
    if (parser_->chunked() || parser_->content_length().value_or(0) > 0) return send({413, "no page takes a body\n"});
    is_kept_ = request.keep_alive();
    const std::string_view target(request.target().data(), request.target().size());
    const auto* const asked = core_.find(target.substr(0, target.find('?')));
    if (asked == nullptr) return send({404, list_of_pages()});
    if (!is_head_ && request.method() != http::verb::get) return send({405, "only GET and HEAD\n"});
    if (asked->is_brief) return send(ask(*asked));
    const auto encodings = request[http::field::accept_encoding];
    ask_worker(*asked, takes_gzip({encodings.data(), encodings.size()}));
  }

  [[nodiscard]] std::string list_of_pages() const {
    std::string text = "there is no such page; there are:\n";
    for (const auto& one : core_.pages) text += one.path + "\n";
    return text;
  }

  /// The first of the worker's answer and the timer is sent.
  void ask_worker(const page& asked, bool takes_packed) {
    if (core_.waiting >= core_.limits.waiting_max) return send({503, "too many ask for this page at once\n"});
    ++core_.waiting;
    const auto number = ++asked_;
    stream_.expires_never();
    answer_timer_.expires_after(core_.limits.answer);
    answer_timer_.async_wait([self = shared_from_this(), number](const error_code& problem) {
      if (!problem && self->asked_ == number) self->send({503, "the node did not answer in time\n"});
    });
    asio::post(core_.worker, [self = shared_from_this(), &asked, takes_packed, number]() mutable {
      auto& core = self->core_;
      auto made = make(asked, takes_packed);
      --core.waiting;
      // The session goes along, so that it ends on the thread that it belongs to.
      asio::post(core.io, [self = std::move(self), made = std::move(made), number]() mutable {
        if (self->asked_ == number) self->send(std::move(made.answer), made.is_packed);
      });
    });
  }

  void send(page_answer&& answer, bool is_packed = false) {
    ++asked_;  // an answer that comes later is not sent any more
    answer_timer_.cancel();
    if (!stream_.socket().is_open()) return;
    response_ = {};
    response_.result(answer.status);
    response_.version(parser_->get().version() == 10 ? 10 : 11);
    response_.keep_alive(is_kept_);
    response_.set(http::field::content_type, content_type);
    response_.set(http::field::cache_control, "no-store");
    if (answer.status == 405) response_.set(http::field::allow, "GET, HEAD");
    if (is_packed) response_.set(http::field::content_encoding, "gzip");
    response_.content_length(answer.text.size());
    if (!is_head_) response_.body() = std::move(answer.text);
    stream_.expires_after(core_.limits.transfer);
    http::async_write(stream_, response_, [self = shared_from_this()](const error_code& problem, std::size_t) {
      if (problem) return self->close();
      self->is_kept_ ? self->read() : self->say_farewell();
    });
  }

  void say_farewell() {
    error_code problem;
    stream_.socket().shutdown(tcp::socket::shutdown_send, problem);
    if (problem) return close();
    stream_.expires_after(farewell_max);
    read_leftovers(0);
  }

  void read_leftovers(std::size_t bytes_read) {
    stream_.async_read_some(asio::buffer(leftovers_),
                            [self = shared_from_this(), bytes_read](const error_code& problem, std::size_t bytes) {
                              if (problem || bytes_read + bytes > farewell_bytes_max) return self->close();
                              self->read_leftovers(bytes_read + bytes);
                            });
  }

  server_core& core_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
  asio::steady_timer answer_timer_;
  std::list<session*>::iterator place_;
  std::array<char, 4096> leftovers_{};
  std::uint64_t asked_ = 0;
  bool is_kept_ = false;
  bool is_head_ = false;
};

result<asio::ip::address> parse_address(const std::string& host) {
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  error_code problem;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1"
                                              : is_bracketed      ? host.substr(1, host.size() - 2)
                                                                  : host,
                                              problem);
  if (problem) return error{errc::invalid_argument, "not an IP address: " + host, "node.metrics_listen"};
  return address;
}

}  // namespace

struct page_server::state {
  state(std::vector<page> pages, page_limits limits)
      : core(std::move(pages), limits), acceptor(core.io), pause(core.io) {}

  ~state() {
    if (thread.joinable()) {
      core.io.stop();
      thread.join();
    }
    core.worker.stop();
    core.worker.join();
  }

  result<void> listen(const std::string& host, std::uint16_t port) {
    const auto address = parse_address(host);
    if (!address) return address.failure();
    const tcp::endpoint where(*address, port);
    error_code problem;
    acceptor.open(where.protocol(), problem);
    if (!problem) acceptor.set_option(tcp::acceptor::reuse_address(true), problem);
    if (!problem) acceptor.bind(where, problem);
    if (!problem) acceptor.listen(backlog, problem);
    if (problem)
      return error{errc::unavailable,
                   "cannot serve metrics at " + host + ":" + std::to_string(port) + ": " + problem.message(),
                   "node.metrics_listen"};
    taken_port = acceptor.local_endpoint().port();
    return {};
  }

  void accept() {
    acceptor.async_accept([this](const error_code& problem, tcp::socket socket) {
      if (problem == asio::error::operation_aborted) return;
      if (problem) {
        pause.expires_after(accept_pause);
        pause.async_wait([this](const error_code& canceled) {
          if (!canceled) accept();
        });
        return;
      }
      admit(std::move(socket));
      accept();
    });
  }

  void admit(tcp::socket socket) {
    // The closed one leaves the list when its handler has run; until then it is not the first any more.
    if (core.sessions.size() >= core.limits.connections_max) {
      core.sessions.front()->close();
      core.sessions.splice(core.sessions.end(), core.sessions, core.sessions.begin());
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    std::make_shared<session>(core, std::move(socket))->read();
  }

  server_core core;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::uint16_t taken_port = 0;
  std::thread thread;  // runs core.io
};

page_server::page_server(std::unique_ptr<state> made) : state_(std::move(made)) {}
page_server::~page_server() = default;

std::uint16_t page_server::port() const { return state_->taken_port; }

result<std::unique_ptr<page_server>> page_server::open(const std::string& host, std::uint16_t port,
                                                       std::vector<page> pages, page_limits limits) {
  auto made = std::make_unique<state>(std::move(pages), limits);
  if (auto listening = made->listen(host, port); !listening) return listening.failure();
  made->accept();
  made->thread = std::thread([&core = made->core] { core.io.run(); });
  return std::unique_ptr<page_server>(new page_server(std::move(made)));
}

}  // namespace hive::metrics
