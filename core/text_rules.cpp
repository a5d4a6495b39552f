#include "core/text_rules.hpp"

#include <algorithm>

namespace hive::core {
namespace {

constexpr std::size_t quoted_bytes_max = 128;

/// Bytes of the UTF-8 sequence at the start of `text`; 0 if there is no well-formed one.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  // Second bytes that would be overlong, a surrogate, or beyond U+10FFFF (RFC 3629, section 4).
  const unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (at(1) < least || at(1) > most) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

error invalid(const std::string& path, const std::string& message) {
  const std::string field = path.substr(path.rfind('.') + 1);
  return error{errc::invalid_argument, field + ": " + message, path};
}

error out_of_range(const std::string& path, std::int64_t value, std::int64_t least, std::int64_t most) {
  return invalid(path,
                 "is " + std::to_string(value) + "; must be " + std::to_string(least) + " to " + std::to_string(most));
}

std::string index_path(std::int64_t index) { return "[" + std::to_string(index) + "]"; }

std::string quoted(std::string_view text) {
  if (text.size() <= quoted_bytes_max) return '"' + std::string{text} + '"';
  std::size_t end = quoted_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not within a character
  return '"' + std::string{text.substr(0, end)} + "...\"";
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

result<void> check_text(std::string_view text, std::uint64_t bytes_max, const std::string& path) {
  if (text.size() > bytes_max) {
    return invalid(path, "is " + std::to_string(text.size()) + " bytes long; at most " + std::to_string(bytes_max));
  }
  if (!is_utf8(text)) return invalid(path, "is not valid UTF-8");
  return {};
}

result<void> check_name(std::string_view text, std::uint64_t bytes_max, const std::string& path) {
  if (text.empty()) return invalid(path, "must not be empty");
  if (auto checked = check_text(text, bytes_max, path); !checked) return checked;
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  if (has_control) return invalid(path, "has a control character");
  return {};
}

result<void> check_duration(std::int64_t duration_ms, const std::string& path) {
  if (duration_ms < 0 || duration_ms > duration_ms_max) return out_of_range(path, duration_ms, 0, duration_ms_max);
  return {};
}

}  // namespace hive::core
