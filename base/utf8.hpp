#pragma once

#include <string_view>

namespace hive {

/// True if all of the text is well-formed UTF-8 (RFC 3629): no surrogates, nothing longer than needed, nothing above
/// U+10FFFF. Texts in messages must be such; others are refused by whoever receives them.
bool is_utf8(std::string_view text);

/// The position, from 1, of the first of a program's arguments that is not UTF-8; 0 if all are.
int find_argument_not_utf8(int count, const char* const* arguments);

}  // namespace hive
