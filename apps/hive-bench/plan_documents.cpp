#include "apps/hive-bench/plan_documents.hpp"

#include <algorithm>
#include <random>
#include <string>

namespace hive::bench {
namespace {

v1::PlanStepSpec* add_noop(v1::PlanDocument& document, const std::string& name) {
  auto* const step = document.add_steps();
  step->set_name(name);
  step->mutable_task()->set_type("noop");
  return step;
}

std::string step_name(std::uint64_t index) { return "step-" + std::to_string(index); }

}  // namespace

v1::PlanDocument fork_join_document(std::uint64_t width) {
  v1::PlanDocument document;
  document.set_name("fork-join");
  add_noop(document, "fork");
  for (std::uint64_t index = 0; index < width; ++index) add_noop(document, step_name(index))->add_needs("fork");
  auto* const join = add_noop(document, "join");
  for (std::uint64_t index = 0; index < width; ++index) join->add_needs(step_name(index));
  return document;
}

v1::PlanDocument chain_document(std::uint64_t length) {
  v1::PlanDocument document;
  document.set_name("chain");
  for (std::uint64_t index = 0; index < length; ++index) {
    auto* const step = add_noop(document, step_name(index));
    if (index > 0) step->add_needs(step_name(index - 1));
  }
  return document;
}

v1::PlanDocument random_document(std::uint64_t seed, std::uint64_t steps, std::uint64_t layers,
                                 std::uint64_t needs_max) {
  v1::PlanDocument document;
  document.set_name("random");
  // Plain remainders: the standard's distributions differ between libraries.
  std::mt19937_64 source{seed};
  layers = std::clamp<std::uint64_t>(layers, 1, std::max<std::uint64_t>(steps, 1));
  const auto first_of = [&](std::uint64_t layer) { return steps * layer / layers; };
  for (std::uint64_t layer = 0; layer < layers; ++layer) {
    for (std::uint64_t index = first_of(layer); index < first_of(layer + 1); ++index) {
      auto* const step = add_noop(document, step_name(index));
      if (layer == 0) continue;
      const auto from = first_of(layer - 1);
      const auto width = first_of(layer) - from;
      const auto count = std::min(width, 1 + source() % needs_max);
      // Different ones without a set: a random start and steps of one, round the layer.
      const auto start = source() % width;
      for (std::uint64_t need = 0; need < count; ++need) step->add_needs(step_name(from + (start + need) % width));
    }
  }
  return document;
}

}  // namespace hive::bench
