#include <array>
#include <charconv>
#include <cmath>

#include "apps/plan_files/plan_files.hpp"

namespace hive::plan_files {
namespace {

struct duration_unit {
  std::string_view suffix;
  std::int64_t ms;
};
constexpr std::array<duration_unit, 5> units{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::int64_t duration_ms_max = 36'500LL * 86'400'000;

}  // namespace

result<std::int64_t> parse_duration_ms(std::string_view text) {
  const error malformed{
      errc::invalid_argument,
      "must be a duration such as 500ms, 2s, 1.5s, 5m, 2h or 7d, is '" + std::string{text.substr(0, 64)} + "'",
      {}};
  if (text == "0") return std::int64_t{0};
  double amount = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), amount, std::chars_format::fixed);
  if (code != std::errc{} || !std::isfinite(amount) || std::signbit(amount)) return malformed;
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const duration_unit& unit : units) {
    if (unit.suffix != suffix) continue;
    const double duration_ms = amount * static_cast<double>(unit.ms);
    if (duration_ms > static_cast<double>(duration_ms_max)) {
      return error{errc::invalid_argument, "must be at most 36500d, is '" + std::string{text.substr(0, 64)} + "'", {}};
    }
    if (amount > 0 && duration_ms < 1) {
      return error{
          errc::invalid_argument, "must be 0 or at least 1ms, is '" + std::string{text.substr(0, 64)} + "'", {}};
    }
    return static_cast<std::int64_t>(std::llround(duration_ms));
  }
  return malformed;
}

std::string format_duration_ms(std::int64_t duration_ms) {
  if (duration_ms < 1'000) return std::to_string(duration_ms) + "ms";
  const auto two_parts = [](std::int64_t large, const char* large_unit, std::int64_t small, const char* small_unit) {
    return std::to_string(large) + large_unit + (small > 0 ? std::to_string(small) + small_unit : std::string{});
  };
  if (duration_ms < 60'000) {
    const std::int64_t tenths = duration_ms / 100;
    return std::to_string(tenths / 10) + (tenths % 10 > 0 ? "." + std::to_string(tenths % 10) : std::string{}) + "s";
  }
  const std::int64_t seconds = duration_ms / 1'000;
  if (seconds < 3'600) return two_parts(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86'400) return two_parts(seconds / 3'600, "h", seconds / 60 % 60, "m");
  return two_parts(seconds / 86'400, "d", seconds / 3'600 % 24, "h");
}

}  // namespace hive::plan_files
