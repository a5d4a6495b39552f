#pragma once

#include <cstdint>

namespace hive::replication::testing {

/// splitmix64 (Steele, Lea and Flood, 2014): everything random in a simulation comes from one seed.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t value = state_ += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31U);
  }
  /// 0 to count - 1.
  std::uint64_t below(std::uint64_t count) { return next() % count; }
  bool one_in(std::uint64_t count) { return below(count) == 0; }
  bool permille(std::uint64_t chance) { return below(1000) < chance; }

 private:
  std::uint64_t state_;
};

}  // namespace hive::replication::testing
