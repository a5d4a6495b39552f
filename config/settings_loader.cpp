#include "config/settings_loader.hpp"

#include <unistd.h>

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/nearest_name.hpp"

namespace hive::config {

namespace {

constexpr std::uintmax_t file_bytes_max = 1 << 20;

error refuse(const std::string& origin, const std::string& message, const std::string& name) {
  return {errc::invalid_argument, origin + ": " + message, name};
}

std::string suggestion_of(const std::string& near) { return near.empty() ? "" : "; did you mean " + near + "?"; }

std::string line_of(const std::string& path, const toml::source_region& source) {
  return path + ":" + std::to_string(source.begin.line);
}

std::string node_kind_name(const toml::node& value) {
  switch (value.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

error wrong_kind(const setting& entry, const std::string& found) {
  const std::string name = full_name(entry);
  return {errc::invalid_argument, name + " must be " + kind_name(entry) + ", found " + found, name};
}

result<void> assign_integer(const setting& entry, std::int64_t value) {
  const std::string name = full_name(entry);
  if (value < entry.min || value > entry.max) {
    const std::string unit = unit_name(entry);
    return error{errc::invalid_argument,
                 name + " must be from " + std::to_string(entry.min) + " to " + std::to_string(entry.max) +
                     (unit.empty() ? "" : " " + unit) + ", found " + std::to_string(value),
                 name};
  }
  if (const auto* small = std::get_if<std::uint32_t*>(&entry.field)) **small = static_cast<std::uint32_t>(value);
  if (const auto* large = std::get_if<std::uint64_t*>(&entry.field)) **large = static_cast<std::uint64_t>(value);
  if (const auto* plain = std::get_if<std::int64_t*>(&entry.field)) **plain = value;
  return {};
}

result<void> check_text(const setting& entry, const std::string& text) {
  const std::string name = full_name(entry);
  if (text.find('\0') != std::string::npos) {
    return error{errc::invalid_argument, name + " must not contain a zero byte", name};
  }
  return entry.check == nullptr ? result<void>{} : entry.check(text, name);
}

result<void> assign_list(const setting& entry, std::vector<std::string> items) {
  constexpr std::size_t items_max = 1'000;
  const std::string name = full_name(entry);
  if (items.size() > items_max) {
    return error{errc::invalid_argument, name + " must have at most " + std::to_string(items_max) + " entries", name};
  }
  for (const std::string& item : items) {
    if (auto checked = check_text(entry, item); !checked) return checked;
  }
  **std::get_if<std::vector<std::string>*>(&entry.field) = std::move(items);
  return {};
}

result<void> assign_node(const setting& entry, const toml::node& value) {
  if (const auto* flag = std::get_if<bool*>(&entry.field)) {
    if (!value.is_boolean()) return wrong_kind(entry, node_kind_name(value));
    **flag = value.as_boolean()->get();
    return {};
  }
  if (const auto* text = std::get_if<std::string*>(&entry.field)) {
    if (!value.is_string()) return wrong_kind(entry, node_kind_name(value));
    if (auto checked = check_text(entry, value.as_string()->get()); !checked) return checked;
    **text = value.as_string()->get();
    return {};
  }
  if (std::holds_alternative<std::vector<std::string>*>(entry.field)) {
    if (!value.is_array()) return wrong_kind(entry, node_kind_name(value));
    std::vector<std::string> items;
    for (const toml::node& item : *value.as_array()) {
      if (!item.is_string()) return wrong_kind(entry, "a list with " + node_kind_name(item));
      items.push_back(item.as_string()->get());
    }
    return assign_list(entry, std::move(items));
  }
  if (!value.is_integer()) return wrong_kind(entry, node_kind_name(value));
  return assign_integer(entry, value.as_integer()->get());
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) items.push_back(item);
  return items;
}

/// A value from the environment or the command line: the bare text, lists with commas.
result<void> assign_text(const setting& entry, const std::string& text) {
  if (const auto* flag = std::get_if<bool*>(&entry.field)) {
    if (text != "true" && text != "false") return wrong_kind(entry, "\"" + text + "\"");
    **flag = text == "true";
    return {};
  }
  if (const auto* target = std::get_if<std::string*>(&entry.field)) {
    if (auto checked = check_text(entry, text); !checked) return checked;
    **target = text;
    return {};
  }
  if (std::holds_alternative<std::vector<std::string>*>(entry.field)) return assign_list(entry, split_list(text));
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stop != end) return wrong_kind(entry, "\"" + text + "\"");
  return assign_integer(entry, value);
}

/// Notes where the value came from, or puts the place in front of the error.
result<void> finish(setting& entry, const std::string& origin, const result<void>& assigned) {
  if (!assigned) return error{assigned.failure().code, origin + ": " + assigned.failure().message, full_name(entry)};
  entry.origin = origin;
  return {};
}

std::vector<std::string> full_names(const std::vector<setting>& settings) {
  std::vector<std::string> names;
  for (const setting& entry : settings) names.push_back(full_name(entry));
  return names;
}

setting* find(std::vector<setting>& settings, const std::string& name) {
  for (setting& entry : settings) {
    if (full_name(entry) == name) return &entry;
  }
  return nullptr;
}

/// The nearest name within the section, else anywhere (a right name in the wrong section).
std::string nearest_setting(const std::vector<setting>& settings, const std::string& section, const std::string& name) {
  std::vector<std::string> own;
  for (const setting& entry : settings) {
    if (entry.section == section) own.push_back(entry.name);
  }
  if (const std::string near = nearest_name(name, own); !near.empty()) return section + "." + near;
  for (const setting& entry : settings) {
    if (entry.name == name) return full_name(entry);
  }
  return nearest_name(section + "." + name, full_names(settings));
}

result<void> read_section(const std::string& path, const std::string& section, const toml::table& content,
                          std::vector<setting>& settings) {
  for (const auto& [key, value] : content) {
    const std::string name(key.str());
    const std::string origin = line_of(path, key.source());
    setting* const entry = find(settings, section + "." + name);
    if (entry == nullptr) {
      const std::string unknown = section + "." + name;
      return refuse(origin, "unknown setting " + unknown + suggestion_of(nearest_setting(settings, section, name)),
                    unknown);
    }
    if (auto done = finish(*entry, origin, assign_node(*entry, value)); !done) return done;
  }
  return {};
}

result<void> read_tables(const std::string& path, const toml::table& root, std::vector<setting>& settings,
                         const std::vector<std::string>& foreign_sections) {
  const std::vector<std::string> own_sections = section_names(settings);
  std::vector<std::string> sections = own_sections;
  sections.insert(sections.end(), foreign_sections.begin(), foreign_sections.end());
  for (const auto& [key, value] : root) {
    const std::string section(key.str());
    const std::string origin = line_of(path, key.source());
    const bool is_known = std::find(sections.begin(), sections.end(), section) != sections.end();
    if (!is_known && value.is_table()) {
      const std::string near = nearest_name(section, sections);
      return refuse(origin, "unknown section [" + section + "]" + suggestion_of(near.empty() ? "" : "[" + near + "]"),
                    section);
    }
    if (!is_known) {
      return refuse(origin,
                    "unknown setting " + section + " outside of a section" +
                        suggestion_of(nearest_setting(settings, "", section)),
                    section);
    }
    if (!value.is_table())
      return refuse(origin, "[" + section + "] must be a section, found " + node_kind_name(value), section);
    if (std::find(own_sections.begin(), own_sections.end(), section) == own_sections.end()) continue;
    if (auto done = read_section(path, section, *value.as_table(), settings); !done) return done;
  }
  return {};
}

}  // namespace

result<void> read_file(const std::string& path, std::vector<setting>& settings,
                       const std::vector<std::string>& foreign_sections) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found)
    return error{errc::not_found, path + ": no such file", {}};
  if (status.type() == std::filesystem::file_type::directory) {
    return error{errc::unavailable, path + ": cannot be read: it is a folder", {}};
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text(file_bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.eof() && stream.fail()) return error{errc::unavailable, path + ": cannot be read", {}};
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > file_bytes_max) {
    return error{errc::invalid_argument, path + ": larger than " + std::to_string(file_bytes_max) + " bytes", {}};
  }
  try {
    return read_tables(path, toml::parse(text, path), settings, foreign_sections);
  } catch (const toml::parse_error& syntax) {
    return refuse(line_of(path, syntax.source()), "not valid TOML: " + std::string(syntax.description()), {});
  }
}

result<void> read_environment(std::vector<setting>& settings) {
  std::vector<std::string> variables;
  for (const setting& entry : settings) variables.push_back(variable_name(entry));
  for (setting& entry : settings) {
    for (const std::string& variable : {variable_name(entry), entry.short_variable}) {
      const char* const value = variable.empty() ? nullptr : std::getenv(variable.c_str());
      if (value == nullptr) continue;
      if (auto done = finish(entry, variable, assign_text(entry, value)); !done) return done;
    }
  }
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string variable = std::string(*line).substr(0, std::string(*line).find('='));
    if (!variable.starts_with("HIVE_")) continue;
    for (const std::string& valid : variables) {
      if (const std::size_t distance = edit_distance(variable, valid); distance > 0 && distance <= 2) {
        return refuse(variable, "unknown variable" + suggestion_of(valid), variable);
      }
    }
  }
  return {};
}

result<void> read_overrides(const std::vector<setting_override>& overrides, std::vector<setting>& settings) {
  for (const setting_override& given : overrides) {
    setting* const entry = find(settings, given.name);
    if (entry == nullptr) {
      return refuse("command line",
                    "unknown setting " + given.name + suggestion_of(nearest_name(given.name, full_names(settings))),
                    given.name);
    }
    if (auto done = finish(*entry, "command line", assign_text(*entry, given.value)); !done) return done;
  }
  return {};
}

}  // namespace hive::config
