#include <spdlog/spdlog.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/json_text.hpp"
#include "config/logging.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive;
using namespace hive::config;
using hive::test::read_text;
using hive::test::temporary_folder;

TEST_CASE("a component logs from its own level, the others from the common one") {
  const temporary_folder folder;
  const std::string path = folder.file("hive.log");
  const auto early = logger("event_bus");  // made before the configuration, adjusted by it
  REQUIRE(
      configure_logging({.level = "warn", .components = {"ledger=debug", "node=off"}, .format = "text", .file = path}));
  logger("ledger")->debug("batch of {}", 3);
  logger("ledger")->trace("hidden");
  logger("dispatcher")->info("hidden");
  logger("dispatcher")->warn("seen");
  logger("node")->error("hidden");
  early->error("also seen");
  const std::string text = read_text(path);
  CHECK(text.find("debug [ledger] batch of 3\n") != std::string::npos);
  CHECK(text.find("warn  [dispatcher] seen\n") != std::string::npos);
  CHECK(text.find("error [event_bus] also seen\n") != std::string::npos);
  CHECK(text.find("hidden") == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("a JSON line is one valid object whatever the message holds") {
  const temporary_folder folder;
  const std::string path = folder.file("hive.log");
  REQUIRE(configure_logging({.level = "info", .components = {}, .format = "json", .file = path}));
  const std::string nasty =
      "a \"quote\" back\\slash\nnewline \x01 \xff\xc0\xaf \xed\xa0\x80 \xe2\x82\xac task=task-1, (worker=w1) plan=";
  logger("ledger")->info(nasty);
  const std::string text = read_text(path);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  const auto line = nlohmann::json::parse(text);
  CHECK(line.at("level") == "info");
  CHECK(line.at("component") == "ledger");
  CHECK(line.at("task") == "task-1");
  CHECK(line.at("worker") == "w1");
  CHECK_FALSE(line.contains("plan"));
  const std::string message = line.at("message");
  CHECK(message.starts_with("a \"quote\" back\\slash\nnewline \x01 \uFFFD\uFFFD\uFFFD "));
  CHECK(message.find("\u20AC") != std::string::npos);
  const std::string time = line.at("time");
  CHECK(time.size() == std::string("2026-01-02T03:04:05.678Z").size());
  CHECK(time.back() == 'Z');
}

TEST_CASE("a text line cannot be forged by a message") {
  const temporary_folder folder;
  const std::string path = folder.file("hive.log");
  REQUIRE(configure_logging({.level = "info", .components = {}, .format = "text", .file = path}));
  logger("node")->info("title=x\n2026-01-01T00:00:00.000Z error [node] forged \x1b[31m");
  const std::string text = read_text(path);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.find("x\\n2026") != std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("only whole task, plan and worker words are lifted, the first of each") {
  using pairs = std::vector<std::pair<std::string, std::string>>;
  CHECK(lifted_fields("task=1 task=2 subtask=3 plan=p;worker=w") ==
        pairs{{"task", "1"}, {"plan", "p"}, {"worker", "w"}});
  CHECK(lifted_fields("subtask=3 task= tasks=4").empty());
  CHECK(lifted_fields("").empty());
}

TEST_CASE("malformed logging settings are refused and change nothing") {
  const temporary_folder folder;
  struct row {
    log_config log;
    errc code;
    std::string message;
  };
  const std::vector<row> rows{
      {{.level = "loud", .components = {}, .format = "text", .file = {}},
       errc::invalid_argument,
       "there is no log level \"loud\""},
      {{.level = "info", .components = {}, .format = "xml", .file = {}},
       errc::invalid_argument,
       "there is no log format \"xml\""},
      {{.level = "info", .components = {"ledger"}, .format = "text", .file = {}},
       errc::invalid_argument,
       "log.components must hold COMPONENT=LEVEL, found \"ledger\""},
      {{.level = "info", .components = {"leger=info"}, .format = "text", .file = {}},
       errc::invalid_argument,
       "log.components: there is no component \"leger\"; did you mean \"ledger\"?"},
      {{.level = "info", .components = {"ledger=inof"}, .format = "text", .file = {}},
       errc::invalid_argument,
       "log.components: there is no level \"inof\"; did you mean \"info\"?"},
  };
  for (const row& given : rows) {
    const auto configured = configure_logging(given.log);
    REQUIRE_FALSE(configured);
    CHECK(configured.failure().code == given.code);
    CHECK(configured.failure().message == given.message);
  }
  const std::string blocked = folder.write("plain-file", "") + "/hive.log";
  const auto configured = configure_logging({.level = "info", .components = {}, .format = "text", .file = blocked});
  REQUIRE_FALSE(configured);
  CHECK(configured.failure().code == errc::unavailable);
  CHECK(configured.failure().field == "log.file");
}
