#include "core/page_token.hpp"

#include <charconv>

namespace hive::core::views {
namespace {

constexpr std::size_t hash_digits = 8;
constexpr std::size_t priority_digits = 8;
constexpr std::size_t task_digits = 16;
constexpr std::size_t token_digits = hash_digits + priority_digits + task_digits;

void append_hex(std::string& text, std::uint64_t value, std::size_t digits) {
  for (std::size_t i = 0; i < digits; ++i) text += "0123456789abcdef"[(value >> (4 * (digits - 1 - i))) & 15U];
}

// FNV-1a over all that decides which tasks are listed and in which order; the limit may change from page to page.
std::uint32_t hash_filter(v1::ListTasksRequest request) {
  request.clear_page_token();
  request.clear_limit();
  std::uint32_t hash = 2166136261U;
  for (const char character : request.SerializeAsString()) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 16777619U;
  }
  return hash;
}

std::optional<std::uint64_t> read_hex(std::string_view text) {
  for (const char character : text) {
    if (!((character >= '0' && character <= '9') || (character >= 'a' && character <= 'f'))) return std::nullopt;
  }
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

}  // namespace

std::string encode_page_token(const v1::ListTasksRequest& request, const page_position& behind) {
  std::string token;
  append_hex(token, hash_filter(request), hash_digits);
  append_hex(token, behind.inverted_priority, priority_digits);
  append_hex(token, behind.task, task_digits);
  return token;
}

result<std::optional<page_position>> decode_page_token(const v1::ListTasksRequest& request) {
  const std::string_view token = request.page_token();
  if (token.empty()) return std::optional<page_position>{};
  const auto hash = read_hex(token.substr(0, hash_digits));
  if (token.size() != token_digits || !hash || !read_hex(token)) {
    return error{errc::invalid_argument, "this is not a token that a page of this list ended with", "page_token"};
  }
  if (*hash != hash_filter(request)) {
    return error{errc::invalid_argument, "the token belongs to a list with another filter or order", "page_token"};
  }
  return std::optional<page_position>{
      page_position{static_cast<std::uint32_t>(*read_hex(token.substr(hash_digits, priority_digits))),
                    *read_hex(token.substr(hash_digits + priority_digits))}};
}

}  // namespace hive::core::views
