#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "apps/executor/run_folder.hpp"

using namespace hive::executor;
namespace fs = std::filesystem;

TEST_CASE("an input's file name cannot leave its folder") {
  CHECK(input_file_name({"fetch", "", false}, 0) == "fetch");
  CHECK(input_file_name({"..", "", false}, 0) == "%2E.");
  CHECK(input_file_name({"../a", "", false}, 0) == "%2E.%2Fa");
  CHECK(input_file_name({"/etc/passwd", "", false}, 0) == "%2Fetc%2Fpasswd");
  CHECK(input_file_name({"50%", "", false}, 0) == "50%25");
  CHECK(input_file_name({"a\nb", "", false}, 0) == "a%0Ab");
  CHECK(input_file_name({std::string(128, '/'), "", false}, 3) == "input-3");
  CHECK(input_file_name({"big", "", true}, 0) == "big.truncated");
}

TEST_CASE("a run's folder holds its inputs and goes with all that was put into it") {
  std::string path;
  {
    const auto folder = run_folder::create({{"a", "one", false}, {"b/c", std::string("t\0o", 3), false}}, "echo");
    REQUIRE(folder.has_value());
    path = folder->path();
    std::ifstream file{folder->inputs() + "/b%2Fc", std::ios::binary};
    CHECK(std::string{std::istreambuf_iterator<char>{file}, {}} == std::string("t\0o", 3));
    std::ifstream index{folder->index()};
    CHECK(std::string{std::istreambuf_iterator<char>{index}, {}} ==
          R"({"a":{"file":"a","truncated":false},"b/c":{"file":"b%2Fc","truncated":false}})");
    CHECK((fs::status(path).permissions() & fs::perms::others_all) == fs::perms::none);
    fs::create_directories(folder->scratch() + "/deep/er");
    fs::permissions(folder->scratch() + "/deep", fs::perms::none);
  }
  CHECK_FALSE(fs::exists(path));
}
