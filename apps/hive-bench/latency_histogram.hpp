#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace hive::bench {

/// Counts of durations in a fixed amount of memory (250 KiB), whatever their number: log-linear buckets as in
/// HdrHistogram, which is not packaged for C here. Up to 1023 ns a bucket holds one value; above, each power of two is
/// split into 512 buckets, so a quantile is at most 0.2 % above the sample that it stands for. Minimum, maximum and
/// mean are exact. Values below 0 count as 0, those above `value_ns_max` as that. Not thread-safe.
class latency_histogram {
 public:
  static constexpr std::int64_t value_ns_max = (std::int64_t{1} << 40) - 1;  // 18 minutes

  latency_histogram();
  void add(std::int64_t value_ns);
  void merge(const latency_histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::int64_t min_ns() const { return count_ == 0 ? 0 : min_ns_; }
  [[nodiscard]] std::int64_t max_ns() const { return max_ns_; }
  [[nodiscard]] double mean_ns() const;
  /// Nearest rank: the smallest value that at least `share` (0..1) of the samples do not exceed; 0 without samples.
  [[nodiscard]] std::int64_t quantile_ns(double share) const;

  /// For handing over between the processes of one run: same program, same machine. Throws std::runtime_error.
  void save(const std::filesystem::path& file) const;
  static latency_histogram load(const std::filesystem::path& file);

 private:
  static std::size_t bucket_of(std::int64_t value_ns);
  static std::int64_t highest_of(std::size_t bucket);

  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::int64_t min_ns_ = value_ns_max;
  std::int64_t max_ns_ = 0;
  double sum_ns_ = 0;
};

}  // namespace hive::bench
