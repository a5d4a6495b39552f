#include "apps/hive-bench/report.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace hive::bench;

TEST_CASE("latencies become figures in microseconds") {
  latency_histogram samples;
  for (int i = 1; i <= 1000; ++i) samples.add(i);
  figures taken;
  add_latencies(taken, "dispatch_latency", samples);
  CHECK(taken.at("dispatch_latency_p50_us") == Approx(0.5));
  CHECK(taken.at("dispatch_latency_p90_us") == Approx(0.9));
  CHECK(taken.at("dispatch_latency_p99_us") == Approx(0.99));
  CHECK(taken.at("dispatch_latency_p999_us") == Approx(0.999));
  CHECK(taken.at("dispatch_latency_max_us") == Approx(1.0));
  CHECK(taken.at("dispatch_latency_mean_us") == Approx(0.5005));
  CHECK(taken.at("dispatch_latency_samples_count") == 1000);
  add_latencies(taken, "nothing", latency_histogram{});
  CHECK(taken.count("nothing_p50_us") == 0);
}

TEST_CASE("durations become figures in seconds") {
  latency_histogram samples;
  for (int i = 1; i <= 10; ++i) samples.add(i * std::int64_t{100'000'000});
  figures taken;
  add_durations(taken, "failover", samples);
  CHECK(taken.at("failover_p50_seconds") == Approx(0.5).epsilon(0.002));
  CHECK(taken.at("failover_p90_seconds") == Approx(0.9).epsilon(0.002));
  CHECK(taken.at("failover_min_seconds") == Approx(0.1));
  CHECK(taken.at("failover_max_seconds") == Approx(1.0));
  CHECK(taken.at("failover_mean_seconds") == Approx(0.55));
  add_durations(taken, "nothing", latency_histogram{});
  CHECK(taken.size() == 5);
}

TEST_CASE("a report is one object with everything that a reader needs to judge it") {
  const auto report = to_json("lifecycle", {{"lifecycle_tasks_per_second", 12.5}}, {{"slots", 8}});
  CHECK(report.at("scenario") == "lifecycle");
  CHECK(report.at("figures") == nlohmann::json{{"lifecycle_tasks_per_second", 12.5}});
  CHECK(report.at("settings") == nlohmann::json{{"slots", 8}});
  CHECK(report.at("machine").at("cores").get<unsigned>() >= 1);
  CHECK(report.at("machine").at("memory_bytes").get<std::uint64_t>() > 0);
  for (const auto* name : {"hive", "caf", "lmdb", "protobuf", "compiler"}) {
    INFO(name);
    CHECK_FALSE(report.at("versions").at(name).get<std::string>().empty());
  }
  CHECK_FALSE(report.at("commit").get<std::string>().empty());
  CHECK(report.size() == 6);
}

TEST_CASE("the table has a line for each figure") {
  std::ostringstream out;
  print_table(out, "title", {{"a_us", 1.25}, {"longer_name_us", 1234.5}});
  CHECK(out.str() == "title\n  a_us                     1.250\n  longer_name_us            1234\n");
}
