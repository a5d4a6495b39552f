#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "metrics/page_server.hpp"
#include "tests/http_connection.hpp"
#include "tests/metrics/sample_probe.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::metrics {

namespace {

constexpr auto deadline = std::chrono::seconds{60};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// A port that nobody uses right now.
std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof(address);
  REQUIRE(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

/// A `prometheus` server of its own that scrapes one target each second.
class prometheus_server {
 public:
  prometheus_server(const std::filesystem::path& folder, std::uint16_t target, std::uint16_t port) {
    const auto config = folder / "prometheus.yml";
    std::ofstream{config} << "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: hive\n  static_configs:\n"
                          << "  - targets: ['127.0.0.1:" << target << "']\n";
    const std::string config_flag = "--config.file=" + config.string();
    const std::string data_flag = "--storage.tsdb.path=" + (folder / "data").string();
    const std::string listen_flag = "--web.listen-address=127.0.0.1:" + std::to_string(port);
    const std::string log = (folder / "log").string();
    process_ = ::fork();
    if (process_ == 0) {
      const int output = ::open(log.c_str(), O_WRONLY | O_CREAT, 0600);
      ::dup2(output, 1);
      ::dup2(output, 2);
      ::execlp("prometheus", "prometheus", config_flag.c_str(), data_flag.c_str(), listen_flag.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~prometheus_server() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  prometheus_server(const prometheus_server&) = delete;
  prometheus_server& operator=(const prometheus_server&) = delete;

 private:
  pid_t process_ = -1;
};

}  // namespace

TEST_CASE("a real Prometheus server scrapes the endpoint and answers a query") {
  if (std::system("command -v prometheus >/dev/null 2>&1") != 0) {
    WARN("skipped: prometheus is not installed");
    return;
  }
  node_probe probe{"1.2.3"};
  testing::fill_every_metric(probe);
  const auto server = std::move(*page_server::open("127.0.0.1", 0, {{"/metrics", false, [&] {
                                                                       return page_answer{200, probe.text()};
                                                                     }}}));
  const test::temporary_folder folder;
  const auto port = free_port();
  const prometheus_server prometheus{folder.path(), server->port(), port};
  const auto expect = [&](const std::string& query, const std::string& value) {
    std::string answer;
    for (const auto end = std::chrono::steady_clock::now() + deadline; std::chrono::steady_clock::now() < end;) {
      answer = test::http_get(port, "/api/v1/query?query=" + query).body;
      if (answer.find("\"" + value + "\"]") != std::string::npos) break;
      ::poll(nullptr, 0, 50);  // between two questions
    }
    INFO(query << ": " << answer);
    CHECK(answer.find("\"" + value + "\"]") != std::string::npos);
  };
  expect("up%7Bjob%3D%22hive%22%7D", "1");
  expect("hive_tasks%7Bstate%3D%22queued%22%7D", "5");
  expect("hive_task_end_to_end_seconds_count%7Btype%3D%22resize%22%7D", "3");
  expect("hive_storage_map_bytes", "1073741824");
  for (int i = 0; i < 41; ++i) probe.event_committed(testing::task_event("task.created", "resize"));
  expect("hive_tasks_created_total", "42");
}

}  // namespace hive::metrics
