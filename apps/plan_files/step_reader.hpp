#pragma once

#include "apps/plan_files/yaml_json.hpp"
#include "hive/v1/plan.pb.h"

namespace hive::plan_files {

/// What `defaults:` gives to every step that does not say otherwise.
struct step_defaults {
  v1::TaskSpec task;
  json process = json::object();  // keys of a process payload; used by process steps only
};

/// Reads the mapping `defaults:`.
step_defaults read_defaults(const field& where);

/// Reads one item of `steps:`. Names of needs are not resolved here.
v1::PlanStepSpec read_step(const field& where, const step_defaults& defaults);

/// The task type that the process executor takes.
constexpr const char* process_type = "process";

}  // namespace hive::plan_files
