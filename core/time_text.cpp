#include "core/time_text.hpp"

#include <algorithm>
#include <chrono>

namespace hive::core {
namespace {

std::string padded(std::int64_t value, std::size_t width) {
  std::string text = std::to_string(value);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

}  // namespace

std::string format_time(std::int64_t unix_ms) {
  using namespace std::chrono;
  // The calendar of chrono ends with the year 32767.
  constexpr std::int64_t last_shown_ms = 900'000'000'000'000;
  const milliseconds since_epoch{std::clamp<std::int64_t>(unix_ms, 0, last_shown_ms)};
  const auto day = floor<days>(since_epoch);
  const year_month_day date{sys_days{day}};
  const hh_mm_ss time{since_epoch - day};
  return padded(static_cast<int>(date.year()), 4) + "-" + padded(static_cast<unsigned>(date.month()), 2) + "-" +
         padded(static_cast<unsigned>(date.day()), 2) + "T" + padded(time.hours().count(), 2) + ":" +
         padded(time.minutes().count(), 2) + ":" + padded(time.seconds().count(), 2) + "." +
         padded(time.subseconds().count(), 3) + "Z";
}

std::string format_wait(std::int64_t due_unix_ms, std::int64_t now_unix_ms) {
  if (due_unix_ms <= now_unix_ms) return "now";
  const std::int64_t wait_ms = due_unix_ms - std::max<std::int64_t>(now_unix_ms, 0);
  const std::int64_t seconds = wait_ms / 1000;
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 60 * minute;
  constexpr std::int64_t day = 24 * hour;
  if (seconds < minute) return "in " + std::to_string(seconds) + "." + std::to_string(wait_ms % 1000 / 100) + " s";
  if (seconds < hour)
    return "in " + std::to_string(seconds / minute) + " min " + std::to_string(seconds % minute) + " s";
  if (seconds < day) {
    return "in " + std::to_string(seconds / hour) + " h " + std::to_string(seconds % hour / minute) + " min";
  }
  return "in " + std::to_string(seconds / day) + " d " + std::to_string(seconds % day / hour) + " h";
}

}  // namespace hive::core
