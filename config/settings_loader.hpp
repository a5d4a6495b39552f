#pragma once

#include <string>
#include <vector>

#include "config/settings_table.hpp"

namespace hive::config {

/// Reads a TOML file into the settings. Sections named in `foreign_sections` are skipped.
result<void> read_file(const std::string& path, std::vector<setting>& settings,
                       const std::vector<std::string>& foreign_sections);

/// HIVE_<SECTION>_<NAME> and the short variables. A variable that is nearly one of these is refused as a
/// mistake; others that start with HIVE_ (container platforms make some) are left alone.
result<void> read_environment(std::vector<setting>& settings);

result<void> read_overrides(const std::vector<setting_override>& overrides, std::vector<setting>& settings);

}  // namespace hive::config
