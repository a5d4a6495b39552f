#include "base/utf8.hpp"

#include <cstddef>
#include <cstdint>

namespace hive {
namespace {

/// How a character with this first byte goes on.
struct shape {
  std::size_t bytes = 0;  // 0: no character begins so
  std::uint8_t second_min = 0x80;
  std::uint8_t second_max = 0xBF;
};

/// Table 3-7 of the Unicode standard.
shape shape_of(std::uint8_t first) {
  if (first < 0x80) return {1};
  if (first >= 0xC2 && first <= 0xDF) return {2};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};  // beyond are the surrogates
  if (first >= 0xE1 && first <= 0xEF) return {3};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  if (first >= 0xF1 && first <= 0xF3) return {4};
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const shape wanted = shape_of(static_cast<std::uint8_t>(text[at]));
    if (wanted.bytes == 0 || wanted.bytes > text.size() - at) return false;
    for (std::size_t i = 1; i < wanted.bytes; ++i) {
      const auto byte = static_cast<std::uint8_t>(text[at + i]);
      const bool is_second = i == 1;
      if (byte < (is_second ? wanted.second_min : 0x80) || byte > (is_second ? wanted.second_max : 0xBF)) return false;
    }
    at += wanted.bytes;
  }
  return true;
}

int find_argument_not_utf8(int count, const char* const* arguments) {
  for (int i = 1; i < count; ++i) {
    if (!is_utf8(arguments[i])) return i;
  }
  return 0;
}

}  // namespace hive
