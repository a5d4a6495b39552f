#include "apps/hive-bench/options.hpp"

#include <catch2/catch.hpp>

using namespace hive::bench;

namespace {

const option_names all_names{"clients", "workers", "slots",     "payload-bytes", "batch",       "count",     "duration",
                             "warm-up", "rate",    "in-flight", "coalescing",    "subscribers", "processes", "layers",
                             "needs",   "seed",    "tries",     "writers",       "nodes",       "connect",   "folder"};

bench_options parsed(std::vector<std::string> arguments, const option_names& names = all_names) {
  CLI::App command{"test"};
  bench_options options;
  add_options(command, options, names);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
  command.parse(arguments);
  return options;
}

}  // namespace

TEST_CASE("options of the benchmark arrive") {
  const auto options = parsed({"--clients", "3", "--workers", "7", "--slots", "2", "--payload-bytes", "0", "--batch",
                               "64", "--duration", "1.5", "--warm-up", "10", "--rate", "250.5", "--connect", "h:1"});
  CHECK(options.clients == 3);
  CHECK(options.workers == 7);
  CHECK(options.slots == 2);
  CHECK(options.payload_bytes == 0);
  CHECK(options.batch == 64);
  CHECK(options.duration_seconds == 1.5);
  CHECK(options.warm_up == 10);
  CHECK(options.rate == 250.5);
  CHECK(options.endpoint == "h:1");
}

TEST_CASE("coalescing is on and can be switched off") {
  CHECK(parsed({}).is_coalescing);
  CHECK(parsed({"--coalescing"}).is_coalescing);
  CHECK_FALSE(parsed({"--no-coalescing"}).is_coalescing);
}

TEST_CASE("count and duration exclude each other") {
  CHECK(parsed({"--count", "5"}).count == 5);
  CHECK_THROWS_AS(parsed({"--count", "5", "--duration", "5"}), CLI::ExcludesError);
}

TEST_CASE("values out of range and words are refused") {
  CHECK_THROWS_AS(parsed({"--clients", "0"}), CLI::ValidationError);
  CHECK_THROWS_AS(parsed({"--batch", "10001"}), CLI::ValidationError);
  CHECK_THROWS_AS(parsed({"--rate", "0"}), CLI::ValidationError);
  CHECK_THROWS_AS(parsed({"--rate", "-1"}), CLI::ValidationError);
  CHECK_THROWS_AS(parsed({"--payload-bytes", "1048577"}), CLI::ValidationError);
  CHECK_THROWS_AS(parsed({"--count", "many"}), CLI::ParseError);
}

TEST_CASE("there are 1, 3 or 5 nodes, all of them its own") {
  CHECK(parsed({}).nodes == 1);
  CHECK(parsed({"--nodes", "1"}).nodes == 1);
  CHECK(parsed({"--nodes", "3", "--tries", "7"}).tries == 7);
  CHECK(parsed({"--nodes", "5"}).nodes == 5);
  for (const char* wrong : {"0", "2", "4", "6", "7", "-3", "03", "three", ""}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(parsed({"--nodes", wrong}), CLI::ParseError);
  }
  CHECK_THROWS_AS(parsed({"--nodes", "3", "--connect", "h:1"}), CLI::ExcludesError);
  CHECK_THROWS_AS(parsed({"--tries", "0"}), CLI::ValidationError);
}

TEST_CASE("a scenario takes its own options only") {
  CHECK_THROWS_AS(parsed({"--rate", "5"}, {"count"}), CLI::ExtrasError);
  CLI::App command{"test"};
  bench_options options;
  CHECK_THROWS_AS(add_options(command, options, {"no-such-option"}), std::logic_error);
}

TEST_CASE("how many nodes there are behind --connect is not known") {
  bench_options options;
  options.nodes = 3;
  CHECK(describe_settings(options, {"nodes"}) == nlohmann::json{{"nodes", 3}});
  options.endpoint = "h:1";
  CHECK(describe_settings(options, {"nodes"}) == nlohmann::json{{"nodes", nullptr}});
}

TEST_CASE("settings of a report are those the scenario takes, units last") {
  bench_options options;
  options.rate = 25;
  options.is_coalescing = false;
  const auto settings = describe_settings(options, {"payload-bytes", "rate", "duration", "coalescing"});
  CHECK(settings ==
        nlohmann::json{
            {"payload_bytes", 150}, {"rate_per_second", 25.0}, {"duration_seconds", 0.0}, {"coalescing", false}});
}
