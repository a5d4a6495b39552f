// Notices that a command does something else to the tables than it did when core::rules_version was last looked at.
#include "core/rules_version.hpp"

#include <catch2/catch.hpp>

#include "core/limit_rules.hpp"
#include "core/machine.hpp"
#include "core/memory_tables.hpp"
#include "tests/core/command_generator.hpp"
#include "tests/core/task_model.hpp"

using namespace hive;
using namespace hive::core;
using namespace hive::test;

namespace {

/// FNV-1a.
class digest {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
    value_ = (value_ ^ bytes.size()) * 1099511628211ULL;
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 14695981039346656037ULL;
};

/// Forty random commands on an empty machine: what it answered, and what its tables hold then.
void add_life(std::uint64_t seed, digest& sum) {
  random_source random{seed};
  const core_limits limits;
  task_model model{limits};
  machine rules{limits};
  memory_tables tables;
  REQUIRE(rules.load(tables));
  command_generator generator{random, model, true};
  effects out;
  for (int i = 0; i < 40; ++i) {
    const auto command = generator.next();
    auto outcome = rules.apply(command, tables, out);
    model.apply(command);
    outcome.mutable_status()->clear_message();
    sum.add(outcome.SerializeAsString());
  }
  rules.flush(tables);
  for (std::size_t i = 0; i < table_count; ++i) {
    tables.scan(static_cast<table>(i), "", [&sum](std::string_view key, std::string_view value) {
      sum.add(key);
      sum.add(value);
      return true;
    });
  }
}

}  // namespace

TEST_CASE("the rules do what rules_version stands for") {
  digest sum;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) add_life(seed, sum);
  v1::SetLimits defaults = set_limits({});
  sum.add(defaults.SerializeAsString());
  INFO(
      "If a command now does something else to the tables, or there is another limit: increase core::rules_version, so "
      "that nodes with the old rules refuse to share a log with this one. If only this test or its generator of "
      "commands has changed, do not. Then put the new value here.");
  CHECK(rules_version == 1);
  CHECK(sum.value() == 0xcb3381cfdd9f212b);
}
