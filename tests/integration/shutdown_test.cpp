// Start and stop of the real program.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

TEST_CASE("SIGTERM under load stops within 5 s with nothing acknowledged lost") {
  node server;
  const auto worker = server.start_worker("w1", 8);
  auto client = server.connect();
  std::atomic<bool> is_over{false};
  std::vector<task_id> acknowledged;
  std::thread load{[&] {
    while (!is_over) {
      if (const auto created = client->create_task(task_of("noop"))) acknowledged.push_back(created->id);
    }
  }};
  REQUIRE(eventually([&] {
    const auto status = client->status();
    return status && status->event_seq_last() > 1'000;
  }));
  const auto begun_at = std::chrono::steady_clock::now();
  CHECK(server.stop() == 0);
  CHECK(std::chrono::steady_clock::now() - begun_at < 5s);
  server.start();
  is_over = true;
  load.join();
  const auto stored = client->get_tasks(acknowledged, {false, false});
  REQUIRE(stored);
  for (const auto& task : *stored) CHECK(task);
  CHECK(acknowledged.size() > 50);
  CHECK(client->check()->violations().empty());
}

TEST_CASE("SIGTERM during a check and a large upload stops within 5 s, and nobody waits for ever") {
  node server;
  auto client = server.connect();
  const std::vector<v1::TaskSpec> specs(20'000, task_of("noop"));
  REQUIRE(client->create_tasks(specs));
  v1::PlanDocument document;
  document.set_name("large");
  constexpr int steps = 100'000;
  for (int i = 0; i < steps; ++i) add_step(document, "s" + std::to_string(i), {}, task_of("noop"));
  const auto used_before = client->status()->storage_used_bytes();
  auto plan = client->async().submit_plan(document);
  // Its steps are being staged.
  REQUIRE(eventually([&] {
    const auto status = client->status();
    return status && status->storage_used_bytes() > used_before + (1 << 20);
  }));
  auto check = client->async().check();
  const auto begun_at = std::chrono::steady_clock::now();
  CHECK(server.stop() == 0);
  CHECK(std::chrono::steady_clock::now() - begun_at < 5s);
  // The client repeats both when the node is back.
  server.start();
  const auto submitted = plan.get();
  INFO(to_string(submitted ? error{} : submitted.failure()));
  REQUIRE(submitted);
  CHECK(submitted->step_count() == steps);
  const auto checked = check.get();
  REQUIRE(checked);
  CHECK(checked->violations().empty());
  CHECK(client->check()->violations().empty());
}

TEST_CASE("two nodes cannot share a data folder") {
  const node server;
  const auto second = run({program("hived"), "--data-dir", server.data_folder().string(), "--listen", "127.0.0.1:0",
                           "--metrics-listen", "127.0.0.1:0"});
  CHECK(second.status == exit_status(errc::unavailable));
  CHECK(second.output.find("in use by process") != std::string::npos);
}

TEST_CASE("systemd is told when the node is ready and when it stops") {
  const temporary_folder folder;
  const auto path = (folder.path() / "notify").string();
  const int receiver = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  process hived{{program("hived"), "--data-dir", (folder.path() / "data").string(), "--listen", "127.0.0.1:0",
                 "--metrics-listen", "127.0.0.1:0"},
                folder.path() / "log",
                {"NOTIFY_SOCKET=" + path}};
  std::string received;
  const auto receive = [&] {
    char buffer[256];
    const auto count = ::recv(receiver, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) received.append(buffer, static_cast<std::size_t>(count)).append("\n");
  };
  CHECK(eventually([&] {
    receive();
    return received.find("READY=1") != std::string::npos;
  }));
  hived.signal(SIGTERM);
  CHECK(hived.wait(10s) == 0);
  CHECK(eventually([&] {
    receive();
    return received.find("STOPPING=1") != std::string::npos;
  }));
  ::close(receiver);
}
