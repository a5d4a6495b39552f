#include "base/ids.hpp"

#include <array>
#include <charconv>

namespace hive {
namespace {

constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t digit_count = 13;
constexpr unsigned bits_a_digit = 5;

std::string encode(std::string_view prefix, std::uint64_t id) {
  std::string text{prefix};
  for (std::size_t i = 0; i < digit_count; ++i) {
    const auto shift = static_cast<unsigned>((digit_count - 1 - i) * bits_a_digit);
    text += digits[(id >> shift) & 31U];
  }
  return text;
}

// -1 for a character outside the alphabet. Crockford: i and l read as 1, o reads as 0.
int digit_value(char character) {
  char lower = character;
  if (lower >= 'A' && lower <= 'Z') lower = static_cast<char>(lower - 'A' + 'a');
  if (lower == 'i' || lower == 'l') return 1;
  if (lower == 'o') return 0;
  const auto position = digits.find(lower);
  return position == std::string_view::npos ? -1 : static_cast<int>(position);
}

error bad_id(std::string_view text, std::string_view prefix, std::string_view field) {
  constexpr std::size_t shown_max = 64;
  return {errc::invalid_argument,
          "'" + std::string{text.substr(0, shown_max)} + "' is not an id; expected " + std::string{prefix} +
              " and 13 base32 digits, or a number",
          std::string{field}};
}

result<std::uint64_t> decode(std::string_view text, std::string_view prefix, std::string_view field) {
  std::uint64_t id = 0;
  if (text.substr(0, prefix.size()) != prefix) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (code != std::errc{} || end != text.data() + text.size() || id == 0) return bad_id(text, prefix, field);
    return id;
  }
  const auto body = text.substr(prefix.size());
  // 13 digits hold 65 bits: the first may only be 0 to 15.
  if (body.size() != digit_count || digit_value(body.front()) > 15) return bad_id(text, prefix, field);
  for (const char character : body) {
    const int value = digit_value(character);
    if (value < 0) return bad_id(text, prefix, field);
    id = (id << bits_a_digit) | static_cast<std::uint64_t>(value);
  }
  if (id == 0) return bad_id(text, prefix, field);
  return id;
}

}  // namespace

std::string to_string(task_id id) { return encode("task-", id.value); }
std::string to_string(worker_id id) { return encode("worker-", id.value); }

result<task_id> parse_task_id(std::string_view text, std::string_view field) {
  auto id = decode(text, "task-", field);
  if (!id) return id.failure();
  return task_id{*id};
}

result<plan_id> parse_plan_id(std::string_view text, std::string_view field) {
  constexpr std::string_view plan_prefix = "plan-";
  if (text.substr(0, plan_prefix.size()) != plan_prefix) return parse_task_id(text, field);
  auto id = decode(text, plan_prefix, field);
  if (!id) return id.failure();
  return plan_id{*id};
}

result<worker_id> parse_worker_id(std::string_view text, std::string_view field) {
  auto id = decode(text, "worker-", field);
  if (!id) return id.failure();
  return worker_id{*id};
}

}  // namespace hive
