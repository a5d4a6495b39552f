#include <catch2/catch.hpp>

#include "config/config.hpp"
#include "tests/config/scoped_variable.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive;
using namespace hive::config;

namespace {

struct malformed_file {
  std::string text;
  std::string message;  // after the path
};

/// The error's message with the path of the file cut off.
template <class Loaded>
std::string message_of(const Loaded& loaded, const std::string& path) {
  if (loaded) return "it was accepted";
  CHECK(loaded.failure().code == errc::invalid_argument);
  const std::string& message = loaded.failure().message;
  return message.starts_with(path + ":") ? message.substr(path.size()) : message;
}

}  // namespace

TEST_CASE("each malformed file is refused with its line and what is wrong") {
  const std::vector<malformed_file> rows{
      // names
      {"[node]\ndata_dri = \"x\"", ":2: unknown setting node.data_dri; did you mean node.data_dir?"},
      {"[node]\n\n# comment\nlisten_ = \"x\"", ":4: unknown setting node.listen_; did you mean node.listen?"},
      {"[node]\ncolour = 1", ":2: unknown setting node.colour"},
      {"[node]\npayload_bytes_max = 1",
       ":2: unknown setting node.payload_bytes_max; did you mean tasks.payload_bytes_max?"},
      {"[nodes]\n", ":1: unknown section [nodes]; did you mean [node]?"},
      {"\n[ledgr]\nx = 1", ":2: unknown section [ledgr]; did you mean [ledger]?"},
      {"[quorum]\nmembers = 3", ":1: unknown section [quorum]"},
      {"[clients]\n", ":1: unknown section [clients]; did you mean [client]?"},
      {"data_dir = \"x\"", ":1: unknown setting data_dir outside of a section; did you mean node.data_dir?"},
      {"wibble = 3", ":1: unknown setting wibble outside of a section"},
      {"[node.data_dir]\nx = 1", ":1: node.data_dir must be a string, found a table"},
      {"[node.extra]\nx = 1", ":1: unknown setting node.extra"},
      {"[NODE]\n", ":1: unknown section [NODE]; did you mean [node]?"},
      {"[plans]\nsteps_man = 3", ":2: unknown setting plans.steps_man; did you mean plans.steps_max?"},
      {"[\"\"]\nx = 1", ":1: unknown section []"},
      // sections that are none
      {"node = 3", ":1: [node] must be a section, found an integer"},
      {"log = \"debug\"", ":1: [log] must be a section, found a string"},
      {"[[node]]\nlisten = \"127.0.0.1:1\"", ":1: [node] must be a section, found a list"},
      {"client = true", ":1: [client] must be a section, found true or false"},
      // types
      {"[node]\ndata_dir = 3", ":2: node.data_dir must be a string, found an integer"},
      {"[node]\ndata_dir = [\"x\"]", ":2: node.data_dir must be a string, found a list"},
      {"[node]\nlisten = true", ":2: node.listen must be a string, found true or false"},
      {"[node]\nlisten = 2026-01-01", ":2: node.listen must be a string, found a date or time"},
      {"[node]\nscheduler_threads = \"2\"", ":2: node.scheduler_threads must be an integer, found a string"},
      {"[node]\nscheduler_threads = 2.0",
       ":2: node.scheduler_threads must be an integer, found a number with a fraction"},
      {"[tasks]\nretention_ms = \"7d\"", ":2: tasks.retention_ms must be an integer, found a string"},
      {"[tasks]\nretention_ms = inf", ":2: tasks.retention_ms must be an integer, found a number with a fraction"},
      {"[log]\ncomponents = \"ledger=debug\"", ":2: log.components must be a list of strings, found a string"},
      {"[log]\ncomponents = [3]", ":2: log.components must be a list of strings, found a list with an integer"},
      {"[log]\ncomponents = [[\"a\"]]", ":2: log.components must be a list of strings, found a list with a list"},
      {"log.level = {}", ":1: log.level must be a string, found a table"},
      // ranges
      {"[node]\nscheduler_threads = 1", ":2: node.scheduler_threads must be from 2 to 4, found 1"},
      {"[node]\nscheduler_threads = 5", ":2: node.scheduler_threads must be from 2 to 4, found 5"},
      {"[storage]\nmap_bytes_max = 0",
       ":2: storage.map_bytes_max must be from 67108864 to 17592186044416 bytes, found 0"},
      {"[storage]\nmap_bytes_max = -1",
       ":2: storage.map_bytes_max must be from 67108864 to 17592186044416 bytes, found -1"},
      {"[storage]\nreaders_max = 9223372036854775807",
       ":2: storage.readers_max must be from 16 to 8192, found 9223372036854775807"},
      {"[ledger]\nbatch_commands_max = 0", ":2: ledger.batch_commands_max must be from 1 to 100000, found 0"},
      {"[ledger]\ninflight_bytes_max = 1",
       ":2: ledger.inflight_bytes_max must be from 1048576 to 68719476736 bytes, found 1"},
      {"[tasks]\npayload_bytes_max = 8388609",
       ":2: tasks.payload_bytes_max must be from 1024 to 8388608 bytes, found 8388609"},
      {"[tasks]\ncancel_grace_ms = -5", ":2: tasks.cancel_grace_ms must be from 0 to 3600000 ms, found -5"},
      {"[tasks]\nretry_attempts = 1001", ":2: tasks.retry_attempts must be from 1 to 1000, found 1001"},
      {"[tasks]\npoison_workers_lost = 0", ":2: tasks.poison_workers_lost must be from 1 to 1000, found 0"},
      {"[plans]\nsteps_max = 1000001", ":2: plans.steps_max must be from 1 to 1000000, found 1000001"},
      {"[workers]\nheartbeat_interval_ms = 49",
       ":2: workers.heartbeat_interval_ms must be from 50 to 60000 ms, found 49"},
      {"[events]\nsubscribers_max = 0", ":2: events.subscribers_max must be from 1 to 1000000, found 0"},
      // texts
      {"[node]\ndata_dir = \"\"", ":2: node.data_dir must not be empty"},
      {"[node]\ndata_dir = \"a\\u0000b\"", ":2: node.data_dir must not contain a zero byte"},
      {"[node]\nlisten = \"localhost\"", ":2: node.listen must be HOST:PORT, found \"localhost\": the port is missing"},
      {"[node]\nlisten = \"localhost:99999\"",
       ":2: node.listen must be HOST:PORT, found \"localhost:99999\": the port must be a number from 0 to 65535"},
      {"[node]\nmetrics_listen = \"7118\"",
       ":2: node.metrics_listen must be HOST:PORT, found \"7118\": the port is missing"},
      {"[log]\nlevel = \"inof\"",
       ":2: log.level must be one of trace, debug, info, warn, error, off, found \"inof\"; did you mean \"info\"?"},
      {"[log]\nlevel = \"\"", ":2: log.level must be one of trace, debug, info, warn, error, off, found \"\""},
      {"[log]\nformat = \"jsn\"", ":2: log.format must be one of text, json, found \"jsn\"; did you mean \"json\"?"},
      {"[log]\ncomponents = [\"ledger\"]", ":2: log.components must hold COMPONENT=LEVEL, found \"ledger\""},
      {"[log]\ncomponents = [\"leger=debug\"]",
       ":2: log.components: there is no component \"leger\"; did you mean \"ledger\"?"},
      {"[log]\ncomponents = [\"ledger=loudest\"]", ":2: log.components: there is no level \"loudest\""},
      // two settings
      {"[tasks]\nbackoff_initial_ms = 70000",
       "tasks.backoff_initial_ms = 70000 (PATH:2) must not be above "
       "tasks.backoff_max_ms = 60000 (default)"},
      {"[workers]\nheartbeat_interval_ms = 500\ngrace_ms = 100",
       "workers.heartbeat_interval_ms = 500 (PATH:2) must not be above workers.grace_ms = 100 (PATH:3)"},
      {"[ledger]\ninflight_commands_max = 4095",
       "ledger.batch_commands_max = 4096 (default) must not be above ledger.inflight_commands_max = 4095 (PATH:2)"},
  };
  CHECK(rows.size() >= 50);
  const test::temporary_folder folder;
  for (const malformed_file& given : rows) {
    CAPTURE(given.text);
    const std::string path = folder.write("hive.toml", given.text);
    std::string expected = given.message;
    for (auto place = expected.find("PATH"); place != std::string::npos; place = expected.find("PATH"))
      expected.replace(place, 4, path);
    CHECK(message_of(load_node_config(path, {}), path) == expected);
  }
}

TEST_CASE("a file that is no TOML is refused with its line") {
  const std::vector<std::pair<std::string, int>> rows{
      {"[node\nlisten = 1", 1},
      {"[node]\nlisten = ", 2},
      {"[node]\n\nlisten \"x\"", 3},
      {"[node]\nlisten = \"x", 2},
      {"[node]\n[node]\n", 2},
      {"[node]\ndata_dir='a'\ndata_dir='b'", 3},
      {"\xff\xfe", 1},
      {"[node]\nscheduler_threads = 99999999999999999999", 2},
  };
  const test::temporary_folder folder;
  for (const auto& [text, line] : rows) {
    CAPTURE(text);
    const std::string path = folder.write("hive.toml", text);
    const std::string message = message_of(load_node_config(path, {}), path);
    CHECK(message.starts_with(":" + std::to_string(line) + ": not valid TOML: "));
  }
}

TEST_CASE("each malformed client section is refused with its line and what is wrong") {
  const std::vector<malformed_file> rows{
      {"[client]\nendpiont = \"x\"", ":2: unknown setting client.endpiont; did you mean client.endpoint?"},
      {"[client]\nendpoint = \"localhost:0\"",
       ":2: client.endpoint must name a port from 1 to 65535, found \"localhost:0\""},
      {"[client]\nendpoint = \"localhost\"",
       ":2: client.endpoint must be HOST:PORT, found \"localhost\": the port is missing"},
      {"[client]\nis_coalescing = 1", ":2: client.is_coalescing must be true or false, found an integer"},
      {"[client]\ninflight_max = 0", ":2: client.inflight_max must be from 1 to 100000, found 0"},
      {"[client]\nlog_level = \"verbose\"",
       ":2: client.log_level must be one of trace, debug, info, warn, error, off, found \"verbose\""},
      {"[client]\nrequest_timeout_ms = 70000",
       "client.request_timeout_ms = 70000 (PATH:2) must not be above client.total_timeout_ms = 60000 (default)"},
      {"[cleint]\n", ":1: unknown section [cleint]; did you mean [client]?"},
      {"[node]\n[wrkers]\n", ":2: unknown section [wrkers]; did you mean [workers]?"},
  };
  const test::temporary_folder folder;
  for (const malformed_file& given : rows) {
    CAPTURE(given.text);
    const std::string path = folder.write("hive.toml", given.text);
    std::string expected = given.message;
    if (const auto place = expected.find("PATH"); place != std::string::npos) expected.replace(place, 4, path);
    CHECK(message_of(load_client_config(path, {}), path) == expected);
  }
}

TEST_CASE("each malformed variable is refused under its own name") {
  struct row {
    std::string variable;
    std::string value;
    std::string message;
  };
  const std::vector<row> rows{
      {"HIVE_NODE_SCHEDULER_THREADS", "two", "node.scheduler_threads must be an integer, found \"two\""},
      {"HIVE_NODE_SCHEDULER_THREADS", "", "node.scheduler_threads must be an integer, found \"\""},
      {"HIVE_NODE_SCHEDULER_THREADS", "2 ", "node.scheduler_threads must be an integer, found \"2 \""},
      {"HIVE_NODE_SCHEDULER_THREADS", "9", "node.scheduler_threads must be from 2 to 4, found 9"},
      {"HIVE_EVENTS_EVENTS_MAX", "1e6", "events.events_max must be an integer, found \"1e6\""},
      {"HIVE_EVENTS_EVENTS_MAX", "99999999999999999999",
       "events.events_max must be an integer, found \"99999999999999999999\""},
      {"HIVE_NODE_LISTEN", "7117", "node.listen must be HOST:PORT, found \"7117\": the port is missing"},
      {"HIVE_LOG_COMPONENTS", "ledger=debug,,node=off", "log.components must hold COMPONENT=LEVEL, found \"\""},
  };
  for (const row& given : rows) {
    CAPTURE(given.variable, given.value);
    const test::scoped_variable variable(given.variable, given.value);
    CHECK(message_of(load_node_config("", {}), "") == given.variable + ": " + given.message);
  }
  const test::scoped_variable coalescing("HIVE_CLIENT_IS_COALESCING", "yes");
  CHECK(message_of(load_client_config("", {}), "") ==
        "HIVE_CLIENT_IS_COALESCING: client.is_coalescing must be true or false, found \"yes\"");
}

TEST_CASE("each malformed override is refused as the command line's") {
  const std::vector<std::pair<setting_override, std::string>> rows{
      {{"node.data_dri", "x"}, "unknown setting node.data_dri; did you mean node.data_dir?"},
      {{"", "x"}, "unknown setting "},
      {{"client.endpoint", "localhost:1"}, "unknown setting client.endpoint; did you mean cluster.endpoint?"},
      {{"tasks.retry_attempts", "0x10"}, "tasks.retry_attempts must be an integer, found \"0x10\""},
  };
  for (const auto& [given, message] : rows) {
    const auto loaded = load_node_config("", {given});
    REQUIRE_FALSE(loaded);
    CHECK(loaded.failure().message == "command line: " + message);
    CHECK(loaded.failure().field == given.name);
  }
}
