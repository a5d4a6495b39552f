#include "metrics/page_server.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "metrics/node_probe.hpp"
#include "tests/http_connection.hpp"
#include "tests/metrics/sample_probe.hpp"

namespace hive::metrics {
namespace {

using test::http_connection;
using test::http_get;
using namespace std::chrono_literals;

/// Holds back whoever passes until it is opened.
class barrier {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
  }
  void wait_for_one() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool is_open_ = false;
};

/// A server with a page of each kind; `gate` holds back /stuck.
struct sample_server {
  explicit sample_server(page_limits limits = {}) {
    std::vector<page> pages{{"/long", false,
                             [] {
                               return page_answer{200, std::string(100'000, 'x') + "\n"};
                             }},
                            {"/yes", true,
                             [] {
                               return page_answer{200, "ok\n"};
                             }},
                            {"/no", true,
                             [] {
                               return page_answer{503, "no leader is known\n"};
                             }},
                            {"/broken", true, []() -> page_answer { throw std::runtime_error("out of luck"); }},
                            {"/stuck", false, [this] {
                               gate.pass();
                               return page_answer{200, "at last\n"};
                             }}};
    auto opened = page_server::open("127.0.0.1", 0, std::move(pages), limits);
    REQUIRE(opened);
    server = std::move(*opened);
  }
  ~sample_server() { gate.open(); }
  [[nodiscard]] std::uint16_t port() const { return server->port(); }

  barrier gate;
  std::unique_ptr<page_server> server;
};

std::string request(const std::string& method, const std::string& path, const std::string& more = {}) {
  return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
}

}  // namespace

TEST_CASE("a page is served with its status and text, whatever stands behind a question mark") {
  const sample_server sample;
  const auto yes = http_get(sample.port(), "/yes");
  CHECK(yes.status == 200);
  CHECK(yes.body == "ok\n");
  CHECK(yes.has("Content-Type: text/plain; charset=utf-8"));
  CHECK(yes.has("Cache-Control: no-store"));
  const auto no = http_get(sample.port(), "/no?from=probe");
  CHECK(no.status == 503);
  CHECK(no.body == "no leader is known\n");
  CHECK(http_get(sample.port(), "/long").body == std::string(100'000, 'x') + "\n");
}

TEST_CASE("the page of the metrics is what the probe says, and the page of a taken port is refused") {
  node_probe probe{"1.2.3"};
  testing::fill_every_metric(probe);
  const auto serve = [&probe](std::uint16_t port) {
    return page_server::open("localhost", port, {{"/metrics", false, [&] { return page_answer{200, probe.text()}; }}});
  };
  auto server = serve(0);
  REQUIRE(server);
  const auto port = (*server)->port();
  const auto answer = http_get(port, "/metrics");
  CHECK(answer.status == 200);
  CHECK(answer.body == probe.text());
  CHECK(answer.body.find("hive_tasks{state=\"queued\",type=\"resize\"} 5") != std::string::npos);

  const auto refused = serve(port);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::unavailable);
  CHECK(refused.failure().message.find("Address already in use") != std::string::npos);
  CHECK(page_server::open("nonsense", 0, {}).failure().code == errc::invalid_argument);
  server->reset();
  CHECK_FALSE(http_connection(port).is_open());
}

TEST_CASE("HEAD says how long a page is and sends none of it") {
  const sample_server sample;
  http_connection client(sample.port());
  for (const auto* path : {"/yes", "/no", "/long", "/nothing"}) {
    CAPTURE(path);
    REQUIRE(client.send(request("HEAD", path)));
    const auto head = client.receive(false);
    const auto whole = client.get(path);  // on the same connection: a body would stand before it
    CHECK(head.status == whole.status);
    CHECK(head.has("Content-Length: " + std::to_string(whole.body.size())));
    CHECK(whole.body.size() > 1);
  }
}

TEST_CASE("another page is not found, with a list of those there are, and other methods are refused") {
  const sample_server sample;
  http_connection client(sample.port());
  for (const auto* path : {"/", "/livez", "/yes/", "*", "//yes", "/%79es"}) {
    CAPTURE(path);
    const auto none = client.get(path);
    CHECK(none.status == 404);
    CHECK(none.body.find("/yes\n/no\n") != std::string::npos);
  }
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    CAPTURE(method);
    REQUIRE(client.send(request(method, "/yes")));
    const auto refused = client.receive();
    CHECK(refused.status == 405);
    CHECK(refused.has("Allow: GET, HEAD"));
  }
}

TEST_CASE("a connection serves many requests, also such as come before the last one is answered") {
  const sample_server sample;
  http_connection client(sample.port());
  for (int i = 0; i < 100; ++i) REQUIRE(client.get("/yes").status == 200);
  std::string many;
  for (int i = 0; i < 50; ++i) many += request("GET", i % 2 == 0 ? "/long" : "/no");
  REQUIRE(client.send(many));
  for (int i = 0; i < 50; ++i) REQUIRE(client.receive().status == (i % 2 == 0 ? 200 : 503));
}

TEST_CASE("a client that wants the connection to end, or speaks HTTP/1.0, gets its answer and the end") {
  const sample_server sample;
  http_connection modern(sample.port());
  CHECK(modern.get("/yes", "Connection: close\r\n").body == "ok\n");
  CHECK(modern.is_ended());
  // As HAProxy's httpchk asks.
  http_connection old(sample.port());
  REQUIRE(old.send("GET /no HTTP/1.0\r\n\r\n"));
  const auto answer = old.receive();
  CHECK(answer.status == 503);
  CHECK(answer.body == "no leader is known\n");
  CHECK(old.is_ended());
}

TEST_CASE("what is not HTTP is answered with 400 and the end of the connection") {
  const sample_server sample;
  for (const std::string& nonsense :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), std::string("hello\r\n\r\n"),
        std::string("GET /yes\r\n\r\n"), std::string("GET /yes HTTP/2.0\r\n\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), std::string("GET /yes HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET /yes HTTP/1.1\r\nContent-Length: many\r\n\r\n"),
        std::string("GET /yes HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        std::string("GET /y\0s HTTP/1.1\r\n\r\n", 21), std::string(300, '\0')}) {
    CAPTURE(nonsense);
    http_connection client(sample.port());
    REQUIRE(client.send(nonsense));
    const auto answer = client.receive();
    CHECK(answer.status == 400);
    CHECK(answer.has("Connection: close"));
    CHECK(client.is_ended());
  }
  CHECK(http_get(sample.port(), "/yes").status == 200);
}

TEST_CASE("a header that is too long and a request with a body are refused") {
  const sample_server sample;
  http_connection just_right(sample.port());
  CHECK(just_right.get("/yes", "X-Long: " + std::string(8000, 'x') + "\r\n").status == 200);
  for (const auto& header : {"X-Long: " + std::string(8192, 'x') + "\r\n", "X-Long: " + std::string(200'000, 'x')}) {
    http_connection client(sample.port());
    const auto answer = client.get("/yes", header);
    CHECK(answer.status == 431);
    CHECK(client.is_ended());
  }
  for (const auto* body : {"Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    CAPTURE(body);
    http_connection client(sample.port());
    REQUIRE(client.send("POST /yes HTTP/1.1\r\n" + std::string(body) + "\r\n"));
    CHECK(client.receive().status == 413);
    CHECK(client.is_ended());
  }
}

TEST_CASE("a long page goes compressed to those who take it, and only to them") {
  const sample_server sample;
  http_connection client(sample.port());
  for (const auto* taken : {"gzip", "deflate, gzip;q=0.5", "br, gzip, deflate"}) {
    CAPTURE(taken);
    const auto packed = client.get("/long", "Accept-Encoding: " + std::string(taken) + "\r\n");
    CHECK(packed.has("Content-Encoding: gzip"));
    CHECK(packed.body.size() < 2000);
    CHECK(packed.body.starts_with("\x1f\x8b"));
  }
  for (const auto* refused : {"identity", "gzip;q=0", "gzip; q=0.0, br"}) {
    CAPTURE(refused);
    CHECK(client.get("/long", "Accept-Encoding: " + std::string(refused) + "\r\n").body.size() == 100'001);
  }
  CHECK(client.get("/yes", "Accept-Encoding: gzip\r\n").body == "ok\n");
}

TEST_CASE("a page that fails is an internal error, and the next one is served") {
  const sample_server sample;
  http_connection client(sample.port());
  const auto broken = client.get("/broken");
  CHECK(broken.status == 500);
  CHECK(broken.body == "internal error: out of luck\n");
  CHECK(client.get("/yes").status == 200);
}

TEST_CASE("a page that takes long holds up nobody, and ends with 503 when its time is over") {
  page_limits limits;
  limits.answer = 200ms;
  limits.waiting_max = 2;
  sample_server sample(limits);
  http_connection stuck(sample.port());
  REQUIRE(stuck.send(request("GET", "/stuck")));
  sample.gate.wait_for_one();
  for (int i = 0; i < 100; ++i) REQUIRE(http_get(sample.port(), "/yes").status == 200);
  const auto late = stuck.receive();
  CHECK(late.status == 503);
  CHECK(late.body == "the node did not answer in time\n");
  // One is under way, one more may wait.
  http_connection second(sample.port());
  REQUIRE(second.send(request("GET", "/long")));
  CHECK(second.receive().body == "the node did not answer in time\n");
  CHECK(http_get(sample.port(), "/long").body == "too many ask for this page at once\n");
  // The answers that came too late are nobody's.
  CHECK(stuck.get("/no").body == "no leader is known\n");
  sample.gate.open();
  CHECK(stuck.get("/no").body == "no leader is known\n");
  for (int status = 0; status != 200;) status = stuck.get("/stuck").status;
}

TEST_CASE("clients that say nothing, too little or do not read are left when their time is over") {
  page_limits limits;
  limits.request = 100ms;
  limits.transfer = 100ms;
  const sample_server sample(limits);
  http_connection silent(sample.port());
  http_connection halting(sample.port());
  REQUIRE(halting.send("GET /yes HTTP/1.1\r\nX-Slow: "));
  http_connection idle(sample.port());
  CHECK(idle.get("/yes").status == 200);
  http_connection deaf(sample.port());
  std::string many;
  for (int i = 0; i < 1000; ++i) many += request("GET", "/long");
  const auto begun_at = std::chrono::steady_clock::now();
  while (deaf.send(many)) {  // until the buffers of the kernel are full of requests, and of answers that nobody reads
  }
  CHECK(std::chrono::steady_clock::now() - begun_at < 10s);
  CHECK(silent.is_ended());
  CHECK(halting.is_ended());
  CHECK(idle.is_ended());
  CHECK(http_get(sample.port(), "/yes").status == 200);
}

TEST_CASE("a header that drips in byte by byte does not get more time") {
  page_limits limits;
  limits.request = 300ms;
  const sample_server sample(limits);
  http_connection dripping(sample.port(), 1);
  const auto begun_at = std::chrono::steady_clock::now();
  bool is_left = !dripping.send("GET /yes HTTP/1.1\r\nX-Slow: ");
  while (!is_left && std::chrono::steady_clock::now() - begun_at < 30s) {
    CHECK(http_get(sample.port(), "/yes").status == 200);  // also the pause between two bytes
    is_left = !dripping.send("x");
  }
  CHECK(is_left);
}

TEST_CASE("beyond the most connections the one that was silent longest goes") {
  page_limits limits;
  limits.connections_max = 20;
  const sample_server sample(limits);
  http_connection busy(sample.port());
  std::vector<std::unique_ptr<http_connection>> silent;
  for (int i = 0; i < 200; ++i) {
    silent.push_back(std::make_unique<http_connection>(sample.port()));
    REQUIRE(busy.get("/yes").status == 200);
  }
  CHECK(silent.front()->is_ended());
  CHECK(silent[150]->is_ended());
  CHECK(silent.back()->get("/yes").status == 200);
}

TEST_CASE("many connections are served at once, and the end of the server ends them") {
  auto sample = std::make_unique<sample_server>();
  std::vector<std::unique_ptr<http_connection>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<http_connection>(sample->port()));
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) REQUIRE(client->send(request("GET", round == 1 ? "/no" : "/yes")));
    for (auto& client : clients) REQUIRE(client->receive().status == (round == 1 ? 503 : 200));
  }
  REQUIRE(clients.front()->send(request("GET", "/stuck")));
  sample->gate.wait_for_one();
  sample->gate.open();
  sample.reset();
  for (auto& client : clients) client->receive();
  CHECK(clients.back()->is_ended());
}

}  // namespace hive::metrics
