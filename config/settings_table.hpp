#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

// The one table of settings. Reading of files, environment and command line, --print-config, the sample
// file and docs/configuration.md are all driven by it.
namespace hive::config {

/// Where a setting's value lives; the alternative is the setting's kind.
using setting_field =
    std::variant<bool*, std::uint32_t*, std::uint64_t*, std::int64_t*, std::string*, std::vector<std::string>*>;

/// Checks one text (each item of a list); the error's message says what is allowed, without the name's prefix.
using text_check = result<void> (*)(const std::string& text, const std::string& name);

struct setting {
  std::string section;
  std::string name;
  setting_field field;
  std::string help;                // one sentence or two, no line break
  std::int64_t min = 0;            // integers only, inclusive
  std::int64_t max = 0;            // integers only, inclusive
  text_check check = nullptr;      // texts and lists only; null allows everything
  std::string allowed{};           // what `check` allows, for the documentation
  std::string short_variable{};    // a second environment variable, which wins
  std::string origin = "default";  // where the value came from: "hive.toml:12", "HIVE_NODE_LISTEN", ...
};

/// All settings in the order of the sample; the fields point into `config`, which must outlive the table.
std::vector<setting> settings_of(node_config& config);
std::vector<setting> settings_of(client_config& config);

/// "node.data_dir".
std::string full_name(const setting& entry);
/// "HIVE_NODE_DATA_DIR".
std::string variable_name(const setting& entry);
/// "an integer", "a string", ...
std::string kind_name(const setting& entry);
/// "bytes", "ms" or "": the unit that the name ends with (bytes_max, interval_ms).
std::string unit_name(const setting& entry);
/// The value in force as TOML: 500, true, "text", ["a", "b"].
std::string toml_value(const setting& entry);
/// A TOML basic string with its quotes.
std::string toml_quoted(std::string_view text);
/// Section names in the order of the table, once each.
std::vector<std::string> section_names(const std::vector<setting>& settings);

/// Rules that involve two settings of the table (one must not be above the other). The error names both and
/// where they came from.
result<void> check_together(const std::vector<setting>& settings);

}  // namespace hive::config
