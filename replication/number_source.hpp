#pragma once

#include <cstdint>

namespace hive::replication {

/// splitmix64 (Steele, Lea and Flood, 2014). What a node counts for its peers begins at such a number: an answer to its
/// predecessor, from before a restart, must not look like one to it.
inline std::uint64_t next_number(std::uint64_t& state) {
  std::uint64_t value = state += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31U);
}

}  // namespace hive::replication
