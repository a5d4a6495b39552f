#include <algorithm>
#include <string>

#include "core/plan_record.hpp"
#include "core/plan_rules.hpp"

namespace hive::core {
namespace {

constexpr std::uint64_t input_bytes_max = 256 << 10;  // of the results together
constexpr int inputs_max = 10'000;                    // entries; the rest is counted in inputs_omitted

}  // namespace

void fill_step_inputs(context& on, task_id id, const v1::TaskStatus& status, v1::TaskAssignment& assignment) {
  const plan_id plan{status.plan_id()};
  const v1::PlanStep step = require_plan_step(on, plan, status.step_index());
  assignment.set_step_name(step.name());
  const std::uint64_t id_of_first = id.value - status.step_index();
  std::uint64_t bytes = 0;
  const int count = std::min(step.needs_size(), inputs_max);
  for (int i = 0; i < count; ++i) {
    const task_id need{id_of_first + step.needs(i)};
    v1::StepInput& input = *assignment.add_inputs();
    input.set_task_id(need.value);
    input.set_step_name(require_plan_step(on, plan, step.needs(i)).name());
    auto needed = load_result(on, need);
    if (!needed) continue;
    bytes += needed->payload().size();
    if (bytes > input_bytes_max) {
      bytes -= needed->payload().size();  // a smaller one behind it may still fit
      needed->clear_payload();
      input.set_is_truncated(true);
    }
    *input.mutable_result() = std::move(*needed);
  }
  assignment.set_inputs_omitted(static_cast<std::uint32_t>(step.needs_size() - count));
}

}  // namespace hive::core
