#include <catch2/catch.hpp>

#include "base/nearest_name.hpp"

using namespace hive;

TEST_CASE("the edit distance counts insertions, deletions, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("listen", "listen") == 0);
  CHECK(edit_distance("listn", "listen") == 1);
  CHECK(edit_distance("lisetn", "listen") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("a mistyped name finds its neighbour and a strange one finds none") {
  const std::vector<std::string> names{"data_dir", "listen", "metrics_listen"};
  CHECK(nearest_name("dta_dir", names) == "data_dir");
  CHECK(nearest_name("metric_listen", names) == "metrics_listen");
  CHECK(nearest_name("colour", names).empty());
  CHECK(nearest_name(std::string(10'000, 'x'), names).empty());
  CHECK(nearest_name("x", {}).empty());
}
