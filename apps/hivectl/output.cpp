#include "apps/hivectl/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "apps/hivectl/message_json.hpp"
#include "apps/plan_files/plan_files.hpp"

namespace hive::hivectl {
namespace {

constexpr std::size_t cell_letters_max = 60;

std::string word_of(const std::string& name, std::string_view prefix) {
  std::string word = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  if (word == "UNSPECIFIED") return {};
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return word;
}

/// Letters, not bytes: continuation bytes of UTF-8 do not count.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char letter) { return (static_cast<unsigned char>(letter) & 0xC0) != 0x80; }));
}

/// What the terminal would take for a command becomes a blank.
std::string without_controls(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char letter) { return letter < 0x20 || letter == 0x7F; }, ' ');
  return text;
}

/// One line of bounded width; what the terminal would take for a command becomes a blank.
std::string cell_text(const std::string& text) {
  std::string cell;
  std::size_t letters = 0;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if ((byte & 0xC0) != 0x80 && ++letters > cell_letters_max) return cell + "...";
    cell += byte < 0x20 || byte == 0x7F ? ' ' : letter;
  }
  return cell.empty() ? "-" : cell;
}

std::string formatted(const nlohmann::ordered_json& value, const std::string& format) {
  return format == "yaml" ? to_yaml(value) : value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string format_time(std::int64_t unix_ms, bool is_utc, const char* pattern) {
  const std::time_t seconds = unix_ms / 1'000;
  std::tm parts{};
  if (is_utc) {
    ::gmtime_r(&seconds, &parts);
  } else {
    ::localtime_r(&seconds, &parts);
  }
  char text[64];
  return std::string{text, std::strftime(text, sizeof text, pattern, &parts)};
}

}  // namespace

std::string name_of(v1::TaskState state) { return word_of(v1::TaskState_Name(state), "TASK_STATE_"); }
std::string name_of(v1::PlanState state) { return word_of(v1::PlanState_Name(state), "PLAN_STATE_"); }
std::string name_of(v1::WorkerState state) { return word_of(v1::WorkerState_Name(state), "WORKER_STATE_"); }
std::string name_of(v1::Reason reason) { return word_of(v1::Reason_Name(reason), "REASON_"); }
std::string name_of(v1::MemberRole role) { return word_of(v1::MemberRole_Name(role), "MEMBER_ROLE_"); }

std::int64_t now_unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string short_time(std::int64_t unix_ms) {
  if (unix_ms == 0) return "-";
  const bool is_today = format_time(unix_ms, false, "%F") == format_time(now_unix_ms(), false, "%F");
  return format_time(unix_ms, false, is_today ? "%H:%M:%S" : "%m-%d %H:%M:%S");
}

std::string iso_time(std::int64_t unix_ms) {
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(((unix_ms % 1'000) + 1'000) % 1'000));
  return format_time(unix_ms, true, "%FT%T") + fraction;
}

std::string elapsed(std::int64_t unix_ms, std::int64_t until_unix_ms) {
  if (unix_ms == 0) return "-";
  const std::int64_t until = until_unix_ms == 0 ? now_unix_ms() : until_unix_ms;
  return plan_files::format_duration_ms(std::max<std::int64_t>(0, until - unix_ms));
}

std::string byte_count(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < std::size(units); ++unit) amount /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text;
}

output::output() {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool is_dumb = terminal == nullptr || std::string_view{terminal} == "dumb";
  is_colored_ = ::isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0') && !is_dumb;
}

std::string output::colored_state(const std::string& state) const {
  if (!is_colored_) return state;
  const char* code = "0";
  if (state == "completed" || state == "active") code = "32";
  if (state == "failed" || state == "lost" || state == "failing") code = "31";
  if (state == "running" || state == "leased") code = "36";
  if (state == "queued" || state == "scheduled" || state == "paused" || state == "draining") code = "33";
  if (state == "canceled" || state == "skipped" || state == "gone" || state == "blocked") code = "90";
  return std::string{"\x1b["} + code + "m" + state + "\x1b[0m";
}

void output::print(const google::protobuf::Message& message) const {
  std::cout << formatted(to_json(message), format_) << std::flush;
}

void output::print_list(const std::vector<const google::protobuf::Message*>& messages) const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto* message : messages) list.push_back(to_json(*message));
  std::cout << formatted(list, format_) << std::flush;
}

void output::print_value(const nlohmann::ordered_json& value) const {
  std::cout << formatted(value, format_) << std::flush;
}

void output::print(const table& rows) const {
  std::vector<std::size_t> widths;
  for (const std::string& header : rows.headers) widths.push_back(width_of(header));
  for (const auto& row : rows.rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(cell_text(row[i])));
  }
  const auto print_row = [&](const std::vector<std::string>& row, bool is_header) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = cell_text(row[i]);
      const bool is_state = !is_header && rows.headers[i] == "STATE";
      line += is_state ? colored_state(cell) : cell;
      if (i + 1 < widths.size()) line += std::string(widths[i] - width_of(cell) + 2, ' ');
    }
    std::cout << (is_header && is_colored_ ? "\x1b[1m" + line + "\x1b[0m" : line) << "\n";
  };
  print_row(rows.headers, true);
  for (const auto& row : rows.rows) print_row(row, false);
  std::cout << std::flush;
}

void output::print_fields(const std::vector<std::pair<std::string, std::string>>& fields) const {
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, value.empty() ? 0 : width_of(name));
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    std::cout << name << std::string(width - width_of(name) + 2, ' ')
              << (name == "state" ? colored_state(value) : without_controls(value)) << "\n";
  }
  std::cout << std::flush;
}

void output::print_line(const std::string& line) const { std::cout << line << std::endl; }

}  // namespace hive::hivectl
