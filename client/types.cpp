#include "client/types.hpp"

#include <utility>

namespace hive {

v1::TaskSpec make_task(std::string type, std::string payload, std::string title) {
  v1::TaskSpec spec;
  spec.set_type(std::move(type));
  spec.set_payload(std::move(payload));
  spec.set_title(std::move(title));
  return spec;
}

v1::PlanStepSpec& add_step(v1::PlanDocument& document, std::string name, std::vector<std::string> needs,
                           v1::TaskSpec task) {
  v1::PlanStepSpec& step = *document.add_steps();
  step.set_name(std::move(name));
  for (auto& need : needs) step.add_needs(std::move(need));
  *step.mutable_task() = std::move(task);
  return step;
}

v1::Label make_label(std::string key, std::string value) {
  v1::Label label;
  label.set_key(std::move(key));
  label.set_value(std::move(value));
  return label;
}

}  // namespace hive
