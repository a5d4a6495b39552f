#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "actors/message_types.hpp"
#include "actors/system_config.hpp"
#include "tests/integration/process.hpp"

namespace hive {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds(20);

/// A hived on free ports and a folder of its own.
struct running_node {
  explicit running_node(const std::vector<std::string>& environment = {}) { start(environment); }

  void start(const std::vector<std::string>& environment = {}) {
    const auto ports = data() / "ports.json";
    std::filesystem::remove(ports);
    program.emplace(std::vector<std::string>{HIVED_PROGRAM, "--data-dir", data().string(), "--listen", "127.0.0.1:0",
                                             "--metrics-listen", "127.0.0.1:0"},
                    folder.path() / "log", environment);
    const bool is_up = test::eventually([&] { return std::filesystem::exists(ports) || !program->is_running(); });
    INFO(program->output());
    REQUIRE(is_up);
    REQUIRE(program->is_running());
    std::ifstream file(ports);
    port = nlohmann::json::parse(file).at("clients").get<std::uint16_t>();
  }
  [[nodiscard]] std::filesystem::path data() const { return folder.path() / "data"; }

  test::temporary_folder folder;
  std::optional<test::process> program;
  std::uint16_t port = 0;
};

/// A bare client: connected and greeted.
struct connection {
  explicit connection(std::uint16_t port) {
    harden(system);
    auto found = system.middleman().remote_actor<node_actor>("127.0.0.1", port);
    REQUIRE(found);
    node = *found;
    v1::HelloRequest hello;
    hello.set_protocol_version(protocol_version);
    caf::scoped_actor self{system};
    self->request(node, patience, hello)
        .receive(
            [&](v1::HelloResponse& response, node_directory& handles) {
              greeting = response;
              directory = handles;
            },
            [&](const caf::error& failure) { FAIL(to_string(to_error(failure))); });
  }
  template <class Response, class Request>
  Response ask(const caf::strong_actor_ptr& receiver, const Request& request) {
    Response answer;
    caf::scoped_actor self{system};
    self->request(caf::actor_cast<caf::actor>(receiver), patience, request)
        .receive([&](Response& response) { answer = response; },
                 [&](const caf::error& failure) { FAIL(to_string(to_error(failure))); });
    return answer;
  }

  system_config settings;
  caf::actor_system system{settings};
  node_actor node;
  v1::HelloResponse greeting;
  node_directory directory;
};

v1::CreateTasksRequest noop_tasks(int count) {
  v1::CreateTasksRequest request;
  for (int i = 0; i < count; ++i) request.add_specs()->set_type("noop");
  return request;
}

struct worker_figures {
  std::atomic<int> completed{0};
  std::atomic<std::int64_t> last_start_ns{0};
};

std::int64_t now_ns() { return steady_clock::now().time_since_epoch().count(); }

/// Registers and completes whatever it is sent.
caf::behavior completing_worker(caf::event_based_actor* self, node_directory directory,
                                std::shared_ptr<worker_figures> figures, std::uint32_t slots) {
  auto worker = std::make_shared<v1::Worker>();
  v1::RegisterWorkerRequest request;
  request.set_is_executor(true);
  request.mutable_spec()->set_name("bare");
  request.mutable_spec()->set_slots(slots);
  request.mutable_spec()->set_incarnation(1);
  self->request(caf::actor_cast<caf::actor>(directory.worker_registry), patience, request)
      .then([worker](const v1::RegisterWorkerResponse& response) { *worker = response.worker(); });
  return {
      [=](const v1::AssignTasks& message) {
        figures->last_start_ns = now_ns();
        v1::ReportTasksRequest reports;
        reports.set_worker_id(worker->id());
        reports.set_session(worker->session());
        for (const auto& assignment : message.assignments()) {
          auto& report = *reports.add_reports();
          report.set_task_id(assignment.task_id());
          report.set_attempt(assignment.attempt());
          report.mutable_completed();
        }
        self->request(caf::actor_cast<caf::actor>(directory.dispatcher), patience, std::move(reports))
            .then([figures](const v1::ReportTasksResponse& response) {
              for (const auto& item : response.items()) figures->completed += is_ok(item.status()) ? 1 : 0;
            });
      },
      [](const v1::SessionEnded&) {},
      [self](caf::ok_atom) { self->quit(); },
  };
}

}  // namespace

TEST_CASE("hived greets, takes a task, dispatches it, and keeps it over kill -9") {
  running_node node;
  std::uint64_t id = 0;
  {
    connection client(node.port);
    CHECK(client.greeting.limits().batch_items_max() == 10'000);
    id = client.ask<v1::CreateTasksResponse>(client.directory.task_manager, noop_tasks(1)).items(0).task_id();
    auto figures = std::make_shared<worker_figures>();
    auto worker = client.system.spawn(completing_worker, client.directory, figures, 4U);
    CHECK(test::eventually([&] { return figures->completed == 1; }));
    caf::anon_send(worker, caf::ok_atom::value);
  }
  node.program->kill();
  node.start();
  connection client(node.port);
  v1::GetTasksRequest get;
  get.add_task_ids(id);
  const auto item = client.ask<v1::GetTasksResponse>(client.directory.task_manager, get).items(0);
  CHECK(item.task().status().state() == v1::TASK_STATE_COMPLETED);
  CHECK(client.ask<v1::CheckResponse>(caf::actor_cast<caf::strong_actor_ptr>(client.node), v1::CheckRequest{})
            .violations_size() == 0);
}

TEST_CASE("hived stops within 5 s of SIGTERM and says so") {
  running_node node;
  const auto started = steady_clock::now();
  node.program->signal(SIGTERM);
  CHECK(node.program->wait(std::chrono::seconds(10)) == 0);
  CHECK(steady_clock::now() - started < std::chrono::seconds(5));
}

TEST_CASE("hived tells the service manager, by path and by abstract name") {
  test::temporary_folder folder;
  for (const bool is_abstract : {false, true}) {
    const std::string name = (folder.path() / "notify").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), address.sun_path);
    if (is_abstract) address.sun_path[0] = '\0';
    const int listener = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    timeval limit{20, 0};
    ::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    running_node node({"NOTIFY_SOCKET=" + (is_abstract ? "@" + name.substr(1) : name)});
    std::string text(64, '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::recv(listener, text.data(), text.size(), 0))));
    CHECK(text == "READY=1");
    node.program->signal(SIGTERM);
    text.assign(64, '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::recv(listener, text.data(), text.size(), 0))));
    CHECK(text == "STOPPING=1");
    ::close(listener);
  }
}

TEST_CASE("hived refuses what it cannot serve, with the exit code of the error") {
  struct wrong {
    std::vector<std::string> arguments;
    int status;
    std::string text;
  };
  test::temporary_folder folder;
  const std::string data = (folder.path() / "data").string();
  for (const auto& value : std::vector<wrong>{
           {{"--listen", "0.0.0.0:0"}, 11, "loopback"},
           {{"--metrics-listen", "0.0.0.0:0"}, 11, "loopback"},
           {{"--listen", "nonsense"}, 11, "node.listen"},
           {{"--set", "no_equals"}, 11, "NAME=VALUE"},
           {{"--set", "workers.grace=1"}, 11, "workers.grace"},
           {{"--nonsense"}, 2, "--nonsense"},
           {{"--config", data + "/none.toml"}, 12, "none.toml"},
           {{"--log-level", "loud"}, 11, "loud"},
       }) {
    auto arguments = value.arguments;
    arguments.insert(arguments.begin(), {HIVED_PROGRAM, "--data-dir", data});
    const auto ended = test::run(arguments);
    INFO(ended.output);
    CHECK(ended.status == value.status);
    CHECK(ended.output.find(value.text) != std::string::npos);
  }
}

TEST_CASE("a second hived on the same data folder is refused as unavailable") {
  running_node node;
  const auto second = test::run({HIVED_PROGRAM, "--data-dir", node.data().string(), "--listen", "127.0.0.1:0"});
  INFO(second.output);
  CHECK(second.status == 16);
}

// Figures, not a test: hived_tests "[figures]".
TEST_CASE("figures: dispatch latency and lifecycle rate over bare messages", "[.figures]") {
  running_node node;
  connection client(node.port);
  auto figures = std::make_shared<worker_figures>();
  auto worker = client.system.spawn(completing_worker, client.directory, figures, 2048U);
  std::vector<double> latencies_us;
  for (int i = 0; i < 2000; ++i) {
    const int before = figures->completed;
    const std::int64_t started = now_ns();
    client.ask<v1::CreateTasksResponse>(client.directory.task_manager, noop_tasks(1));
    REQUIRE(test::eventually([&] { return figures->completed > before; }));
    latencies_us.push_back(static_cast<double>(figures->last_start_ns - started) / 1000);
  }
  std::sort(latencies_us.begin(), latencies_us.end());
  WARN("create call to handler, idle, us: p50 " << latencies_us[1000] << " p99 " << latencies_us[1980]);
  constexpr int tasks = 200'000;
  static constexpr int batch = 500;
  const int before = figures->completed;
  const std::int64_t started = now_ns();
  auto creator = client.system.spawn([&](caf::event_based_actor* self) {
    auto left = std::make_shared<int>(tasks / batch);
    auto send_next = std::make_shared<std::function<void()>>();
    *send_next = [self, left, send_next, &client] {
      if ((*left)-- <= 0) return;
      self->request(caf::actor_cast<caf::actor>(client.directory.task_manager), patience, noop_tasks(batch))
          .then([send_next](const v1::CreateTasksResponse&) { (*send_next)(); });
    };
    for (int i = 0; i < 8; ++i) (*send_next)();
  });
  REQUIRE(test::eventually([&] { return figures->completed >= before + tasks; }, std::chrono::seconds(120)));
  WARN("lifecycles a second: " << tasks / (static_cast<double>(now_ns() - started) / 1e9));
  caf::anon_send(worker, caf::ok_atom::value);
}

}  // namespace hive
