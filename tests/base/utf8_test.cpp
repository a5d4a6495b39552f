#include "base/utf8.hpp"

#include <array>
#include <string>

#include <catch2/catch.hpp>

using namespace hive;
using namespace std::string_literals;

TEST_CASE("text of every length of character is UTF-8, up to the last of each") {
  for (const auto& text : {""s, "plain"s, "\0"s, "gr\xC3\xBC\xC3\x9F"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s,
                           "\xED\x9F\xBF"s, "\xEE\x80\x80"s, "\xEF\xBF\xBF"s, "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s})
    CHECK(is_utf8(text));
}

TEST_CASE("what is cut off, longer than needed, a surrogate or too large is no UTF-8") {
  for (const auto& text :
       {"\xFF\xFE"s, "a\xFF"s, "\x80"s, "\xC0\x80"s, "\xC1\xBF"s, "\xC3"s, "\xC3("s, "\xE0\x9F\xBF"s, "\xE2\x82"s,
        "\xED\xA0\x80"s, "\xF0\x8F\xBF\xBF"s, "\xF0\x9F\x98"s, "\xF4\x90\x80\x80"s, "\xF5\x80\x80\x80"s})
    CHECK_FALSE(is_utf8(text));
}

TEST_CASE("the first argument that is no UTF-8 is told by its position, the program's name aside") {
  const std::array<const char*, 4> arguments{"\xFF", "fine", "\xC3\xBC", "not\xC3"};
  CHECK(find_argument_not_utf8(3, arguments.data()) == 0);
  CHECK(find_argument_not_utf8(4, arguments.data()) == 3);
}
