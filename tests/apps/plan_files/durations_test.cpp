#include <catch2/catch.hpp>

#include "apps/plan_files/plan_files.hpp"

using hive::plan_files::format_duration_ms;
using hive::plan_files::parse_duration_ms;

TEST_CASE("durations are a number and a unit") {
  const std::vector<std::pair<std::string, std::int64_t>> good = {
      {"0", 0},        {"0s", 0},         {"500ms", 500},      {"2s", 2'000},    {"1.5s", 1'500},
      {"5m", 300'000}, {"2h", 7'200'000}, {"7d", 604'800'000}, {"0.5m", 30'000}, {"36500d", 3'153'600'000'000}};
  for (const auto& [text, duration_ms] : good) {
    INFO(text);
    const auto parsed = parse_duration_ms(text);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == duration_ms);
  }
}

TEST_CASE("anything else is no duration") {
  for (const char* text : {"", "5", "s", "-1s", "-0s", "5 s", "5sec", "1e3s", "nan", "inf", "infs", "0x5s", "5S",
                           "1s2m", "36501d", "0.1ms", "99999999999999999999d"}) {
    INFO(text);
    const auto parsed = parse_duration_ms(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.failure().code == hive::errc::invalid_argument);
  }
}

TEST_CASE("durations are shown with at most two parts") {
  CHECK(format_duration_ms(0) == "0ms");
  CHECK(format_duration_ms(999) == "999ms");
  CHECK(format_duration_ms(1'000) == "1s");
  CHECK(format_duration_ms(1'550) == "1.5s");
  CHECK(format_duration_ms(61'000) == "1m1s");
  CHECK(format_duration_ms(3'600'000) == "1h");
  CHECK(format_duration_ms(90'000'000) == "1d1h");
}
