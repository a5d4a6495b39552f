#pragma once

#include <cstdint>
#include <string>

namespace hive::core {

/// "2026-11-22T16:39:07.250Z": UTC, proleptic Gregorian. Negative times count as 0.
std::string format_time(std::int64_t unix_ms);

/// "in 12.5 s", "in 3 min 4 s", "now" if it is not ahead.
std::string format_wait(std::int64_t due_unix_ms, std::int64_t now_unix_ms);

}  // namespace hive::core
