#pragma once

#include <nlohmann/json.hpp>

#include "apps/plan_files/yaml_reader.hpp"

namespace hive::plan_files {

using json = nlohmann::ordered_json;

/// A YAML tree as JSON. Plain scalars follow the core schema (null, true, false, numbers; anything else and all
/// quoted scalars are text). Refuses trees deeper than 64 or of more than 100,000 nodes, which also ends aliases that
/// contain themselves, and numbers that JSON cannot hold.
json to_json(const field& where);

}  // namespace hive::plan_files
