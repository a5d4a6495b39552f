#include "config/json_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace hive::config {

namespace {

std::string escaped_control(unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (byte == '\n') return "\\n";
  if (byte == '\t') return "\\t";
  if (byte == '\r') return "\\r";
  return {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 0xF]};
}

bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7F; }

bool is_continuation(std::string_view text, std::size_t place) {
  return place < text.size() && (static_cast<unsigned char>(text[place]) & 0xC0) == 0x80;
}

/// Bytes of the well-formed UTF-8 sequence at `place` (Unicode 15, table 3-7), or 0 if there is none.
std::size_t sequence_length(std::string_view text, std::size_t place) {
  const auto first = static_cast<unsigned char>(text[place]);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !is_continuation(text, place + 1)) return 0;
  if (first < 0xE0) return 2;
  const auto second = static_cast<unsigned char>(text[place + 1]);
  if (!is_continuation(text, place + 2)) return 0;
  if (first < 0xF0) {
    const bool is_overlong = first == 0xE0 && second < 0xA0;
    const bool is_surrogate = first == 0xED && second > 0x9F;
    return is_overlong || is_surrogate ? 0 : 3;
  }
  const bool is_overlong = first == 0xF0 && second < 0x90;
  const bool is_beyond = first == 0xF4 && second > 0x8F;
  return is_overlong || is_beyond || !is_continuation(text, place + 3) ? 0 : 4;
}

}  // namespace

std::string json_quoted(std::string_view text) {
  constexpr std::string_view replacement = "\xEF\xBF\xBD";
  std::string quoted = "\"";
  for (std::size_t place = 0; place < text.size();) {
    const auto byte = static_cast<unsigned char>(text[place]);
    const std::size_t length = sequence_length(text, place);
    if (length == 0) {
      quoted += replacement;
    } else if (byte == '"' || byte == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(byte);
    } else if (is_control(byte)) {
      quoted += escaped_control(byte);
    } else {
      quoted += text.substr(place, length);
    }
    place += length == 0 ? 1 : length;
  }
  return quoted + '"';
}

std::string escape_control_characters(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (is_control(byte)) {
      escaped += escaped_control(byte);
    } else {
      escaped += letter;
    }
  }
  return escaped;
}

std::vector<std::pair<std::string, std::string>> lifted_fields(std::string_view message) {
  constexpr std::array<std::string_view, 3> keys{"task", "plan", "worker"};
  constexpr std::string_view value_ends = " \t\r\n,;)]}\"";
  std::vector<std::pair<std::string, std::string>> fields;
  for (const std::string_view key : keys) {
    const std::string pattern = std::string(key) + "=";
    for (std::size_t place = message.find(pattern); place != std::string_view::npos;
         place = message.find(pattern, place + 1)) {
      const bool is_word =
          place == 0 || std::string_view(" \t([{,;").find(message[place - 1]) != std::string_view::npos;
      const std::size_t begin = place + pattern.size();
      const std::size_t end = std::min(message.find_first_of(value_ends, begin), message.size());
      if (!is_word || end == begin) continue;
      fields.emplace_back(key, message.substr(begin, end - begin));
      break;
    }
  }
  return fields;
}

}  // namespace hive::config
