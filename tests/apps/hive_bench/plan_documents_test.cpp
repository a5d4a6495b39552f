#include "apps/hive-bench/plan_documents.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace hive::bench;

TEST_CASE("a fork-join has its width and two steps more") {
  const auto document = fork_join_document(3);
  REQUIRE(document.steps_size() == 5);
  CHECK(document.steps(0).needs_size() == 0);
  for (int i = 1; i <= 3; ++i) CHECK(document.steps(i).needs(0) == "fork");
  CHECK(document.steps(4).needs_size() == 3);
}

TEST_CASE("each step of a chain needs the one before") {
  const auto document = chain_document(4);
  REQUIRE(document.steps_size() == 4);
  CHECK(document.steps(0).needs_size() == 0);
  for (int i = 1; i < 4; ++i) {
    REQUIRE(document.steps(i).needs_size() == 1);
    CHECK(document.steps(i).needs(0) == document.steps(i - 1).name());
  }
}

TEST_CASE("a random plan needs only steps of the layer before, each once") {
  constexpr int steps = 103;
  constexpr int layers = 10;
  const auto document = random_document(42, steps, layers, 4);
  REQUIRE(document.steps_size() == steps);
  std::map<std::string, int> layer_of;
  for (int i = 0; i < steps; ++i) {
    int layer = 0;
    while (steps * (layer + 1) / layers <= i) ++layer;
    layer_of[document.steps(i).name()] = layer;
  }
  CHECK(layer_of.size() == steps);
  for (const auto& step : document.steps()) {
    const int layer = layer_of.at(step.name());
    const std::set<std::string> needs(step.needs().begin(), step.needs().end());
    CHECK(static_cast<int>(needs.size()) == step.needs_size());
    CHECK(step.needs_size() >= (layer == 0 ? 0 : 1));
    CHECK(step.needs_size() <= (layer == 0 ? 0 : 4));
    for (const auto& need : needs) CHECK(layer_of.at(need) == layer - 1);
  }
}

TEST_CASE("the same seed gives the same random plan, another seed another one") {
  const auto text = [](std::uint64_t seed) { return random_document(seed, 200, 10, 3).SerializeAsString(); };
  CHECK(text(1) == text(1));
  CHECK(text(1) != text(2));
}

TEST_CASE("a random plan with more layers than steps or wider needs than layers is still a plan") {
  CHECK(random_document(1, 3, 100, 5).steps_size() == 3);
  const auto document = random_document(1, 10, 5, 1'000);
  for (const auto& step : document.steps()) CHECK(step.needs_size() <= 2);
}
