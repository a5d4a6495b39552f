#include "base/errc.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace hive;

TEST_CASE("every code has a name, an exit status and an HTTP status of its own kind") {
  std::set<std::string> names;
  std::set<int> exits;
  for (int code = 0; code <= static_cast<int>(errc::internal); ++code) {
    names.insert(to_string(static_cast<errc>(code)));
    exits.insert(exit_status(static_cast<errc>(code)));
    CHECK(http_status(static_cast<errc>(code)) >= 200);
  }
  CHECK(names.size() == 12);
  CHECK(names.count("unknown") == 0);
  CHECK(exits.size() == 12);
  CHECK(to_string(static_cast<errc>(200)) == "unknown");
}

TEST_CASE("an error survives the wire form") {
  const error before{errc::not_found, "no task 7", "task_id"};
  const error after = to_error(to_status(before));
  CHECK(after.code == before.code);
  CHECK(after.message == before.message);
  CHECK(after.field == before.field);
  CHECK(to_string(after) == "not_found: no task 7 (field: task_id)");
}

TEST_CASE("a code that nobody defined reads as internal") {
  v1::Status status;
  status.set_code(static_cast<v1::ErrorCode>(77));
  CHECK(to_error(status).code == errc::internal);
}
