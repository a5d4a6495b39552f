#include "apps/hive-bench/latency_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace hive::bench {
namespace {

constexpr unsigned sub_bucket_bits = 10;
constexpr std::size_t sub_buckets = std::size_t{1} << sub_bucket_bits;
constexpr std::size_t half = sub_buckets / 2;
constexpr unsigned value_bits = 40;
// The first power of two and everything below it share the first sub_buckets; each further one adds half as many.
constexpr std::size_t bucket_count = sub_buckets + (value_bits - sub_bucket_bits) * half;

}  // namespace

latency_histogram::latency_histogram() : buckets_(bucket_count) {}

std::size_t latency_histogram::bucket_of(std::int64_t value_ns) {
  const auto value = static_cast<std::uint64_t>(value_ns);
  if (value < sub_buckets) return static_cast<std::size_t>(value);
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - sub_bucket_bits;
  return sub_buckets + (shift - 1) * half + static_cast<std::size_t>(value >> shift) - half;
}

std::int64_t latency_histogram::highest_of(std::size_t bucket) {
  if (bucket < sub_buckets) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = (bucket - sub_buckets) / half + 1;
  const std::size_t head = (bucket - sub_buckets) % half + half;
  return static_cast<std::int64_t>(((static_cast<std::uint64_t>(head) + 1) << shift) - 1);
}

void latency_histogram::add(std::int64_t value_ns) {
  const auto value = std::clamp<std::int64_t>(value_ns, 0, value_ns_max);
  ++buckets_[bucket_of(value)];
  ++count_;
  min_ns_ = std::min(min_ns_, value);
  max_ns_ = std::max(max_ns_, value);
  sum_ns_ += static_cast<double>(value);
}

void latency_histogram::merge(const latency_histogram& other) {
  for (std::size_t i = 0; i < bucket_count; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  min_ns_ = std::min(min_ns_, other.min_ns_);
  max_ns_ = std::max(max_ns_, other.max_ns_);
  sum_ns_ += other.sum_ns_;
}

double latency_histogram::mean_ns() const { return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_); }

std::int64_t latency_histogram::quantile_ns(double share) const {
  if (count_ == 0) return 0;
  const auto rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(highest_of(bucket), max_ns_);
  }
  return max_ns_;
}

void latency_histogram::save(const std::filesystem::path& file) const {
  std::ofstream out{file};
  out.precision(17);
  out << count_ << ' ' << min_ns_ << ' ' << max_ns_ << ' ' << sum_ns_;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    if (buckets_[i] != 0) out << '\n' << i << ' ' << buckets_[i];
  }
  out << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

latency_histogram latency_histogram::load(const std::filesystem::path& file) {
  std::ifstream in{file};
  latency_histogram made;
  if (!(in >> made.count_ >> made.min_ns_ >> made.max_ns_ >> made.sum_ns_))
    throw std::runtime_error("cannot read " + file.string());
  std::size_t bucket = 0;
  std::uint64_t count = 0;
  std::uint64_t total = 0;
  while (in >> bucket >> count) {
    if (bucket >= bucket_count) throw std::runtime_error("damaged: " + file.string());
    made.buckets_[bucket] = count;
    total += count;
  }
  if (total != made.count_) throw std::runtime_error("cut off: " + file.string());
  return made;
}

}  // namespace hive::bench
