// A node with TLS, from the making of certificates to their renewal, with the real programs.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>

#include <sys/stat.h>

#include "client/worker.hpp"
#include "gate/authority.hpp"
#include "tests/gate/hostile_peer.hpp"
#include "tests/gate/raw_peer.hpp"
#include "tests/integration/tls_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;
using gate::test::bytes;
using gate::test::raw_peer;

namespace {

std::shared_ptr<client> connected(const secure_node& node, const std::string& who) {
  auto made = connect(node.issued.client_settings(who, node.server.endpoint()));
  REQUIRE(made);
  return *made;
}

bool is_private(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && (facts.st_mode & 077U) == 0;
}

std::uint64_t connections_to_try() {
  const char* const asked = std::getenv("HIVE_FUZZ_CONNECTIONS");
  return asked == nullptr ? 1'500 : std::strtoull(asked, nullptr, 10);
}

std::uint64_t memory_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  std::uint64_t kib = 0;
  while (status >> word) {
    if (word == "RssAnon:") status >> kib;
  }
  return kib * 1024;
}

}  // namespace

TEST_CASE("clients and workers with certificates work through a node with TLS") {
  const secure_node node;
  const process worker{{program("hive-worker"), "--name", "w1", "--slots", "2"},
                       node.server.folder() / "w1.log",
                       node.issued.environment("w1", node.server.endpoint())};
  const auto done = node.ctl("me", {"task", "create", "--wait", "--", "echo", "hello"});
  INFO(done.output);
  CHECK(done.status == 0);

  const auto plan = node.server.folder() / "plan.yaml";
  std::ofstream(plan) << "steps:\n  - name: a\n    run: echo a\n  - name: b\n    needs: [a]\n    run: echo b\n";
  const auto planned = node.ctl("me", {"plan", "submit", "--wait", plan.string()});
  INFO(planned.output);
  CHECK(planned.status == 0);

  const auto sdk = connected(node, "me");
  const auto listed = sdk->list_tasks({});
  REQUIRE(listed);
  CHECK(listed->tasks_size() >= 3);
}

TEST_CASE("who has no good certificate is refused with a log line, and the node goes on") {
  secure_node node;
  const certificates other;  // another authority for a cluster of the same name
  other.tls({"issue", "client", "mallory"});

  CHECK(node.ctl("me", {"status"}).status == 0);
  const auto plain = run({program("hivectl"), "status"}, node.server.environment());
  CHECK(plain.status == exit_status(errc::unavailable));
  CHECK(plain.output.find("client.tls_certificate") != std::string::npos);
  CHECK(node.wait_logged("reason=plain_client", "does not speak TLS"));

  // It does not trust our node either, and says so.
  const auto stranger = run({program("hivectl"), "status"}, other.environment("mallory", node.server.endpoint()));
  CHECK(stranger.status == exit_status(errc::unavailable));
  INFO(stranger.output);
  CHECK(stranger.output.find("is refused") != std::string::npos);

  const auto mallory = other.files("mallory");
  {
    raw_peer peer(node.port());  // one that does not care whom it talks to
    peer.shake(&mallory);
    CHECK(peer.is_ended());
  }
  CHECK(node.wait_logged("reason=unknown_authority", "mallory"));
  {
    raw_peer peer(node.port());
    peer.shake(nullptr);
    CHECK(peer.is_ended());
  }
  CHECK(node.wait_logged("reason=no_certificate", "peer="));

  const auto authority = node.issued.files("authority");
  std::ifstream certificate(authority.certificate);
  std::ifstream key(authority.key);
  const gate::key_pair pair{{std::istreambuf_iterator<char>(certificate), {}},
                            {std::istreambuf_iterator<char>(key), {}}};
  auto over = gate::valid_for_days(1);
  over.from_unix_s -= 1'000'000;
  over.until_unix_s = over.from_unix_s + 1'000;
  const auto expired = gate::issue_certificate(pair, {"erin", gate::role::client, {}, over});
  REQUIRE(expired);
  const auto erin = node.issued.files("erin");
  std::ofstream(erin.certificate) << expired->certificate;
  std::ofstream(erin.key) << expired->key;
  {
    raw_peer peer(node.port());
    peer.shake(&erin);
    CHECK(peer.is_ended());
  }
  CHECK(node.wait_logged("reason=expired_certificate", "erin"));
  const auto own = node.ctl("erin", {"status"});
  CHECK(own.output.find("expired") != std::string::npos);
  CHECK(node.ctl("me", {"status"}).status == 0);
}

TEST_CASE("a certificate reaches what its role may, and a refusal says so") {
  secure_node node;
  worker_options options;
  options.name = "impostor";
  options.connection = node.issued.client_settings("me", node.server.endpoint());
  worker impostor(std::move(options));
  impostor.on("noop", [](task_context&) -> task_outcome { return task_output{}; });
  auto running = std::async(std::launch::async, [&] { return impostor.run(); });
  REQUIRE(running.wait_for(60s) == std::future_status::ready);
  const auto ended = running.get();
  REQUIRE_FALSE(ended);
  CHECK(ended.failure().code == errc::permission_denied);
  CHECK(node.wait_logged("reason=forbidden_message", "hive.v1.RegisterWorkerRequest"));

  const auto listing = node.ctl("w1", {"task", "list"});
  CHECK(listing.status == exit_status(errc::permission_denied));
  CHECK(listing.output.find("role worker may not send") != std::string::npos);
  CHECK(node.wait_logged("reason=forbidden_message", "worker w1 of demo"));
}

TEST_CASE("a certificate is renewed while the node runs") {
  secure_node node;
  const auto before = connected(node, "me");
  REQUIRE(before->status());
  CHECK(node.issued.tls({"rotate"}).find("next:") != std::string::npos);
  SECTION("it notices by itself") {}
  SECTION("it is told") { node.server.hived().signal(SIGHUP); }
  REQUIRE(node.wait_logged("new connections use the certificate", "node n1 of demo"));
  CHECK(node.ctl("me", {"status"}).status == 0);
  CHECK(before->status());
}

TEST_CASE("an authority is exchanged step by step, and everyone stays connected") {
  secure_node node;
  const auto old_client = node.issued.files("me");
  certificates kept;  // of the old authority, to try again at the end
  for (const auto& [from, to] : {std::pair{old_client.certificate, kept.files("me").certificate},
                                 std::pair{old_client.key, kept.files("me").key}}) {
    std::filesystem::copy_file(from, to);
  }
  node.issued.tls({"rotate", "--authority"});
  node.server.hived().signal(SIGHUP);
  REQUIRE(node.wait_logged("new connections use the certificate", "node n1"));
  CHECK(node.ctl("me", {"status"}).status == 0);  // old certificate, both authorities
  node.issued.tls({"rotate"});
  node.server.hived().signal(SIGHUP);
  CHECK(node.ctl("me", {"status"}).status == 0);
  node.issued.tls({"rotate", "--authority", "--finish"});
  node.server.hived().signal(SIGHUP);
  const auto old_files = kept.files("me");
  CHECK(eventually([&] {
    raw_peer peer(node.port());
    peer.shake(&old_files);
    return peer.is_ended() && node.server.hived().output().find("reason=unknown_authority") != std::string::npos;
  }));
  CHECK(node.ctl("me", {"status"}).status == 0);
}

TEST_CASE("hivectl tls makes private keys private and writes over nothing") {
  const certificates issued;
  issued.tls({"issue", "client,worker", "bench"});
  CHECK(is_private(issued.files("authority").key));
  CHECK(is_private(issued.files("bench").key));
  CHECK(issued.tls({"show"}).find("client, worker") != std::string::npos);
  const auto folder = std::filesystem::path(issued.files("bench").key).parent_path().string();
  const auto status = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {program("hivectl"), "tls"});
    arguments.insert(arguments.end(), {"--dir", folder});
    return run(arguments).status;
  };
  CHECK(status({"init", "demo"}) == exit_status(errc::already_exists));
  CHECK(status({"issue", "client", "bench"}) == exit_status(errc::already_exists));
  CHECK(status({"issue", "admin", "eve"}) == exit_status(errc::invalid_argument));
  CHECK(status({"issue", "client", "authority"}) == exit_status(errc::invalid_argument));
  CHECK(status({"issue", "client", "../eve"}) == exit_status(errc::invalid_argument));
  CHECK(status({"issue", "node", "n1", "--host", "a b"}) == exit_status(errc::invalid_argument));
  CHECK(status({"rotate", "nobody"}) == exit_status(errc::not_found));
  CHECK(status({"rotate", "--finish"}) == 2);
}

TEST_CASE("hostile frames after a good handshake do not disturb honest clients") {
  secure_node node;
  const auto honest = connected(node, "me");
  REQUIRE(honest->status());
  const auto files = node.issued.files("me");
  const auto memory_before = memory_bytes(node.server.hived().pid());
  const std::uint64_t count = connections_to_try();
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    gate::test::hostile_peer hostile(seed);
    raw_peer peer(node.port());
    REQUIRE(peer.shake(&files));
    peer.send(hostile.input());
    if (seed % 100 == 0) REQUIRE(honest->status());
  }
  CHECK(honest->status());
  CHECK(node.server.hived().is_running());
  const auto grown = memory_bytes(node.server.hived().pid()) - memory_before;
  INFO("grown by " << grown << " bytes over " << count << " connections");
  CHECK(static_cast<std::int64_t>(grown) < (64 << 20) + static_cast<std::int64_t>(count) * 4'096);
  CHECK(node.server.stop() == 0);
}
