#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace hive::core {

/// Bounds that keep sums of times within 64 bits: durations up to ten years, times up to the year 9999.
constexpr std::int64_t duration_ms_max = 10LL * 365 * 24 * 3600 * 1000;
constexpr std::int64_t time_unix_ms_max = 253'402'300'799'999;

/// invalid_argument for the field at `path`; the message starts with the field's own name.
error invalid(const std::string& path, const std::string& message);

/// invalid_argument that names the value and its range.
error out_of_range(const std::string& path, std::int64_t value, std::int64_t least, std::int64_t most);

/// "[3]".
std::string index_path(std::int64_t index);

/// The text in quotes for a message; cut after 128 bytes.
std::string quoted(std::string_view text);

/// True if `text` is well-formed UTF-8 (RFC 3629): protobuf cannot carry anything else in a string.
bool is_utf8(std::string_view text);

/// A text that people read: UTF-8, at most `bytes_max`; may be empty.
result<void> check_text(std::string_view text, std::uint64_t bytes_max, const std::string& path);

/// A name: a text that is not empty and has no control characters.
result<void> check_name(std::string_view text, std::uint64_t bytes_max, const std::string& path);

/// A duration in milliseconds: 0 to duration_ms_max.
result<void> check_duration(std::int64_t duration_ms, const std::string& path);

}  // namespace hive::core
