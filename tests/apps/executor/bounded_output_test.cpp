#include <catch2/catch.hpp>

#include "apps/executor/bounded_output.hpp"

using hive::executor::bounded_output;

TEST_CASE("output within its limit is kept whole") {
  bounded_output output{10};
  for (const char* part : {"abc", "", "defg", "hij"}) output.append(part);
  CHECK(output.text() == "abcdefghij");
  CHECK_FALSE(output.is_truncated());
}

TEST_CASE("of output beyond its limit the head and the tail are kept, in pieces of any size") {
  std::string all;
  for (int i = 0; i < 1'000; ++i) all += static_cast<char>('a' + i % 26);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{999}, std::size_t{1'000}}) {
    bounded_output output{21};
    for (std::size_t at = 0; at < all.size(); at += piece) output.append(std::string_view{all}.substr(at, piece));
    CHECK(output.text() == all.substr(0, 11) + "\n[... 979 bytes left out ...]\n" + all.substr(990));
    CHECK(output.is_truncated());
    CHECK(output.bytes_total() == 1'000);
  }
}

TEST_CASE("a limit of nothing keeps nothing and says so") {
  bounded_output output{0};
  CHECK(output.text().empty());
  output.append("x");
  CHECK(output.text() == "\n[... 1 bytes left out ...]\n");
}
