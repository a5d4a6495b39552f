#pragma once

#include "apps/plan_files/yaml_json.hpp"

namespace hive::plan_files {

/// Keys of a step that make up a process payload; three of them (run, argv, script) say what to run.
extern const std::vector<std::string> process_keys;
/// Those of them that `defaults:` may set.
extern const std::vector<std::string> process_default_keys;

/// Writes the process keys that `step` has into `payload`, over what stands there (env is merged).
void read_process_fields(const map_reader& step, json& payload);

/// True if the step has one of run, argv, script. Two of them are refused.
bool has_program(const map_reader& step);

}  // namespace hive::plan_files
