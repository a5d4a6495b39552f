#include "apps/hive-bench/latency_histogram.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>
#include <vector>

#include "apps/hive-bench/open_loop.hpp"
#include "tests/temporary_folder.hpp"

using hive::bench::latency_histogram;

namespace {

// Nearest rank, by the book.
std::int64_t exact_quantile(const std::vector<std::int64_t>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

TEST_CASE("values below 1024 ns have exact quantiles") {
  latency_histogram samples;
  for (int value = 1; value <= 100; ++value) samples.add(value);
  CHECK(samples.count() == 100);
  CHECK(samples.min_ns() == 1);
  CHECK(samples.quantile_ns(0.0) == 1);
  CHECK(samples.quantile_ns(0.5) == 50);
  CHECK(samples.quantile_ns(0.99) == 99);
  CHECK(samples.quantile_ns(0.991) == 100);
  CHECK(samples.quantile_ns(1.0) == 100);
  CHECK(samples.max_ns() == 100);
  CHECK(samples.mean_ns() == Approx(50.5));
}

TEST_CASE("a histogram without samples answers zeros") {
  const latency_histogram samples;
  CHECK(samples.count() == 0);
  CHECK(samples.min_ns() == 0);
  CHECK(samples.quantile_ns(0.5) == 0);
  CHECK(samples.mean_ns() == 0);
}

TEST_CASE("a quantile is never below its sample and at most 0.2 percent above it") {
  std::mt19937_64 source{7};
  latency_histogram samples;
  std::vector<std::int64_t> all;
  for (int i = 0; i < 100'000; ++i) {
    // Over all magnitudes from 1 ns to 18 minutes.
    const auto value = static_cast<std::int64_t>(source() >> (24 + source() % 40));
    samples.add(value);
    all.push_back(value);
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto exact = exact_quantile(all, share);
    const auto told = samples.quantile_ns(share);
    INFO("share " << share << " exact " << exact << " told " << told);
    CHECK(told >= exact);
    CHECK(static_cast<double>(told - exact) <= 0.002 * static_cast<double>(exact));
  }
}

TEST_CASE("values at the borders of buckets stay in order and in range") {
  for (const std::int64_t border :
       {std::int64_t{1024}, std::int64_t{2048}, std::int64_t{1} << 30, std::int64_t{1} << 39}) {
    for (const std::int64_t value : {border - 1, border, border + 1}) {
      latency_histogram samples;
      samples.add(value);
      samples.add(latency_histogram::value_ns_max);
      INFO(value);
      CHECK(samples.quantile_ns(0.5) >= value);
      CHECK(static_cast<double>(samples.quantile_ns(0.5) - value) <= 0.002 * static_cast<double>(value));
    }
  }
}

TEST_CASE("values out of range count as the nearest one in range") {
  latency_histogram samples;
  samples.add(-5);
  samples.add(std::int64_t{1} << 50);
  CHECK(samples.count() == 2);
  CHECK(samples.min_ns() == 0);
  CHECK(samples.max_ns() == latency_histogram::value_ns_max);
}

TEST_CASE("merged histograms are the histogram of all samples") {
  latency_histogram left;
  latency_histogram right;
  latency_histogram all;
  for (int i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? left : right).add(i * 977);
    all.add(i * 977);
  }
  left.merge(right);
  CHECK(left.count() == all.count());
  CHECK(left.max_ns() == all.max_ns());
  CHECK(left.mean_ns() == Approx(all.mean_ns()));
  for (const double share : {0.01, 0.5, 0.99}) CHECK(left.quantile_ns(share) == all.quantile_ns(share));
}

TEST_CASE("a saved histogram comes back, a damaged file does not") {
  const hive::test::temporary_folder folder;
  const std::string file = folder.file("samples");
  latency_histogram samples;
  for (int i = 0; i < 1000; ++i) samples.add(i * i * 13);
  samples.save(file);
  const auto loaded = latency_histogram::load(file);
  CHECK(loaded.count() == samples.count());
  CHECK(loaded.min_ns() == samples.min_ns());
  CHECK(loaded.max_ns() == samples.max_ns());
  for (const double share : {0.01, 0.5, 0.99, 1.0}) CHECK(loaded.quantile_ns(share) == samples.quantile_ns(share));

  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  CHECK_THROWS_AS(latency_histogram::load(file), std::runtime_error);
  std::filesystem::remove(file);
  CHECK_THROWS_AS(latency_histogram::load(file), std::runtime_error);
}

TEST_CASE("an open loop spaces its requests evenly and does not drift") {
  const hive::bench::open_loop_schedule schedule{1'000, 3.0};
  CHECK(schedule.intended_ns(0) == 1'000);
  CHECK(schedule.intended_ns(1) == 1'000 + 333'333'333);
  // Adding up a rounded interval would be 1 us early by now.
  CHECK(schedule.intended_ns(3'000) == 1'000 + 1'000'000'000'000);
}

TEST_CASE("latency from the intended start shows a stall in every request it held up") {
  // A system that answers at once, but stalls for one second before request 10; ten requests a second.
  const hive::bench::open_loop_schedule schedule{0, 10.0};
  latency_histogram corrected;
  latency_histogram naive;
  std::int64_t free_at = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto intended = schedule.intended_ns(i);
    const auto sent = std::max(intended, free_at);
    const auto answered = sent + 1'000'000 + (i == 10 ? 1'000'000'000 : 0);
    free_at = answered;
    corrected.add(answered - intended);
    naive.add(answered - sent);
  }
  CHECK(naive.quantile_ns(0.95) < 2'000'000);
  CHECK(corrected.quantile_ns(0.95) > 500'000'000);
}
