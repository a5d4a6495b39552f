#include <catch2/catch.hpp>

#include "config/config.hpp"
#include "config/settings_table.hpp"
#include "tests/config/scoped_variable.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive;
using namespace hive::config;
using hive::test::scoped_variable;
using hive::test::temporary_folder;

TEST_CASE("without a file, environment and overrides the defaults stand") {
  const auto node = load_node_config("", {});
  REQUIRE(node);
  CHECK(node->node.listen == "127.0.0.1:7117");
  CHECK(node->ledger.inflight_commands_max == 100'000);
  const auto client = load_client_config("", {});
  REQUIRE(client);
  CHECK(client->log.level == "warn");
}

TEST_CASE("every default is within its own range") {
  // Printed, the defaults pass through the same checks as any file.
  const temporary_folder folder;
  const auto node = load_node_config(folder.write("hive.toml", print_node_config({})), {});
  if (!node) FAIL(node.failure().message);
  client_config client;
  for (const setting& entry : settings_of(client)) {
    const std::string text = "[" + entry.section + "]\n" + entry.name + " = " + toml_value(entry) + "\n";
    const auto loaded = load_client_config(folder.write("client.toml", text), {});
    if (!loaded) FAIL(loaded.failure().message);
  }
}

TEST_CASE("a file sets settings of every kind") {
  const temporary_folder folder;
  const std::string path = folder.write("hive.toml", R"(
log = { level = "debug", components = ["ledger=trace", "dispatcher=off"] }
[node]
data_dir = "/srv/hive"
listen = "[::1]:0"
metrics_listen = ""
scheduler_threads = 4
[storage]
map_bytes_max = 1_073_741_824
[tasks]
retention_ms = 3_600_000
)");
  const auto node = load_node_config(path, {});
  if (!node) FAIL(node.failure().message);
  CHECK(node->node.data_dir == "/srv/hive");
  CHECK(node->node.listen == "[::1]:0");
  CHECK(node->node.metrics_listen.empty());
  CHECK(node->node.scheduler_threads == 4);
  CHECK(node->storage.map_bytes_max == 1'073'741'824);
  CHECK(node->tasks.retention_ms == 3'600'000);
  CHECK(node->log.level == "debug");
  CHECK(node->log.components == std::vector<std::string>{"ledger=trace", "dispatcher=off"});
  CHECK(node->storage.readers_max == 512);
}

TEST_CASE("the environment wins over the file and the command line over both") {
  const temporary_folder folder;
  const std::string path =
      folder.write("hive.toml", "[node]\ndata_dir = \"from-file\"\nlisten = \"127.0.0.1:1\"\n[plans]\nsteps_max = 5\n");
  const scoped_variable data_dir("HIVE_NODE_DATA_DIR", "from-environment");
  const scoped_variable listen("HIVE_NODE_LISTEN", "127.0.0.1:2");
  const auto node = load_node_config(path, {{"node.listen", "127.0.0.1:3"}, {"node.listen", "127.0.0.1:4"}});
  REQUIRE(node);
  CHECK(node->plans.steps_max == 5);
  CHECK(node->node.data_dir == "from-environment");
  CHECK(node->node.listen == "127.0.0.1:4");
}

TEST_CASE("lists come from the environment with commas and an empty text clears them") {
  const temporary_folder folder;
  const std::string path = folder.write("hive.toml", "[log]\ncomponents = [\"node=off\"]\n");
  {
    const scoped_variable components("HIVE_LOG_COMPONENTS", "ledger=debug,worker=warn");
    CHECK(load_node_config(path, {}).value().log.components == std::vector<std::string>{"ledger=debug", "worker=warn"});
  }
  {
    const scoped_variable components("HIVE_LOG_COMPONENTS", "");
    CHECK(load_node_config(path, {}).value().log.components.empty());
  }
}

TEST_CASE("HIVE_ENDPOINT names the node for clients and wins over the longer variable") {
  const scoped_variable longer("HIVE_CLIENT_ENDPOINT", "127.0.0.1:1");
  CHECK(load_client_config("", {}).value().endpoint == "127.0.0.1:1");
  const scoped_variable shorter("HIVE_ENDPOINT", "127.0.0.1:2");
  CHECK(load_client_config("", {}).value().endpoint == "127.0.0.1:2");
  CHECK(load_client_config("", {{"client.endpoint", "127.0.0.1:3"}}).value().endpoint == "127.0.0.1:3");
}

TEST_CASE("a client reads its section and skips those of the node, and the node the other way round") {
  const temporary_folder folder;
  const std::string path = folder.write("hive.toml",
                                        "[client]\nendpoint = \"localhost:9\"\nis_coalescing = false\nlog_level = "
                                        "\"off\"\n[node]\nlisten = \"127.0.0.1:9\"\n");
  const auto client = load_client_config(path, {});
  REQUIRE(client);
  CHECK(client->endpoint == "localhost:9");
  CHECK_FALSE(client->is_coalescing);
  CHECK(client->log.level == "off");
  CHECK(load_node_config(path, {}).value().node.listen == "127.0.0.1:9");

  const std::string strange_node = folder.write("node.toml", "[node]\nmade_up = 1\n");
  CHECK(load_client_config(strange_node, {}));
  const std::string strange_client = folder.write("client.toml", "[client]\nmade_up = 1\n");
  CHECK(load_node_config(strange_client, {}));
}

TEST_CASE("a printed configuration is read back as the same one") {
  node_config changed;
  changed.node.data_dir = "a \"quoted\"\tpath\\with\x7f\x01 é";
  changed.node.metrics_listen = "";
  changed.log.components = {"ledger=debug", "node=off"};
  changed.storage.map_bytes_max = 1ULL << 40;
  changed.tasks.backoff_initial_ms = 7;
  changed.events.events_max = 5'000'000'000;
  const temporary_folder folder;
  const auto loaded = load_node_config(folder.write("hive.toml", print_node_config(changed)), {});
  if (!loaded) FAIL(loaded.failure().message);
  CHECK(print_node_config(*loaded) == print_node_config(changed));
  CHECK(loaded->node.data_dir == changed.node.data_dir);
  CHECK(loaded->log.components == changed.log.components);
}

TEST_CASE("a file that is missing, a folder or too large is told apart") {
  const temporary_folder folder;
  const auto missing = load_node_config(folder.file("none.toml"), {});
  REQUIRE_FALSE(missing);
  CHECK(missing.failure().code == errc::not_found);
  CHECK(missing.failure().message == folder.file("none.toml") + ": no such file");
  const auto is_folder = load_node_config(folder.file("."), {});
  REQUIRE_FALSE(is_folder);
  CHECK(is_folder.failure().code == errc::unavailable);
  const auto large = load_node_config(folder.write("large.toml", std::string((1 << 20) + 1, '#')), {});
  REQUIRE_FALSE(large);
  CHECK(large.failure().message == folder.file("large.toml") + ": larger than 1048576 bytes");
  CHECK(load_node_config(folder.write("empty.toml", ""), {}));
}

TEST_CASE("a mistyped variable is refused and variables of others are left alone") {
  {
    const scoped_variable service("HIVE_NODE_PORT", "tcp://10.0.0.1:7117");
    const scoped_variable other("HIVE_TEST_DATA", "somewhere");
    CHECK(load_node_config("", {}));
  }
  const scoped_variable mistyped("HIVE_NODE_DATADIR", "x");
  const auto loaded = load_node_config("", {});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.failure().message == "HIVE_NODE_DATADIR: unknown variable; did you mean HIVE_NODE_DATA_DIR?");
}
