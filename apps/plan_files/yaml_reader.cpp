#include "apps/plan_files/yaml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "apps/plan_files/plan_files.hpp"
#include "base/nearest_name.hpp"

namespace hive::plan_files {
namespace {

std::string path_below(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Splits a mapping into text keys and values; keys that are not text or come twice are refused.
std::vector<std::pair<std::string, field>> split_mapping(const field& where) {
  if (!where.node.IsMap()) refuse(where, "must be a mapping, is " + kind_of(where.node));
  std::vector<std::pair<std::string, field>> entries;
  std::vector<std::string> seen;
  for (const auto& entry : where.node) {
    const field key{where.file_name, where.path, entry.first};
    if (!entry.first.IsScalar()) refuse(key, "a key must be text, is " + kind_of(entry.first));
    const std::string& name = entry.first.Scalar();
    entries.emplace_back(
        name, field{where.file_name, path_below(where.path, name), entry.second, entry.first.Mark().line + 1});
    seen.push_back(entry.first.Scalar());
  }
  std::sort(seen.begin(), seen.end());
  const auto twice = std::adjacent_find(seen.begin(), seen.end());
  if (twice == seen.end()) return entries;
  bool is_second = false;
  for (const auto& entry : where.node) {
    if (entry.first.Scalar() != *twice) continue;
    if (is_second) refuse({where.file_name, path_below(where.path, *twice), entry.first}, "is given twice");
    is_second = true;
  }
  return entries;
}

}  // namespace

void refuse(const field& where, const std::string& message) {
  std::string text = where.file_name;
  const YAML::Mark mark = where.node.IsDefined() ? where.node.Mark() : YAML::Mark::null_mark();
  const bool is_empty = where.node.IsDefined() && where.node.IsNull();
  const int line = is_empty && where.key_line > 0 ? where.key_line : mark.is_null() ? 0 : mark.line + 1;
  if (line > 0) text += ":" + std::to_string(line);
  text += ": ";
  if (!where.path.empty()) text += where.path + ": ";
  throw refusal{{errc::invalid_argument, text + message, where.path}};
}

std::string kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Scalar:
      return "'" + node.Scalar().substr(0, 64) + "'";
    default:
      return "empty";
  }
}

map_reader::map_reader(field where, std::vector<std::string> known)
    : where_(std::move(where)), entries_(split_mapping(where_)) {
  for (const auto& entry : where_.node) {
    const std::string key = entry.first.Scalar();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = did_you_mean(key, known);
    refuse({where_.file_name, path_below(where_.path, key), entry.first},
           "unknown key" + (near.empty() ? "; known here: " + joined(known) : near));
  }
}

std::optional<field> map_reader::find(const std::string& key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

field map_reader::require(const std::string& key) const {
  std::optional<field> found = find(key);
  if (!found) refuse({where_.file_name, path_below(where_.path, key), where_.node}, "is missing");
  return *found;
}

std::vector<std::pair<std::string, field>> read_entries(const field& where) { return split_mapping(where); }

std::vector<field> read_items(const field& where) {
  if (!where.node.IsSequence()) refuse(where, "must be a list, is " + kind_of(where.node));
  std::vector<field> items;
  items.reserve(where.node.size());
  for (const auto& item : where.node) {
    items.push_back({where.file_name, where.path + "[" + std::to_string(items.size()) + "]", item, 0});
  }
  return items;
}

std::string read_text(const field& where) {
  if (!where.node.IsScalar()) refuse(where, "must be text, is " + kind_of(where.node));
  return where.node.Scalar();
}

std::string read_name(const field& where, std::size_t bytes_max) {
  std::string text = read_text(where);
  if (text.empty()) refuse(where, "must not be empty");
  if (text.size() > bytes_max) {
    refuse(where,
           "has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(bytes_max) + " are allowed");
  }
  return text;
}

std::int64_t read_integer(const field& where, std::int64_t lowest, std::int64_t highest) {
  const std::string text = where.node.IsScalar() ? where.node.Scalar() : std::string{};
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size() || value < lowest || value > highest) {
    refuse(where, "must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest) + ", is " +
                      kind_of(where.node));
  }
  return value;
}

double read_number(const field& where, double lowest, double highest) {
  const std::string text = where.node.IsScalar() ? where.node.Scalar() : std::string{};
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = !text.empty() && code == std::errc{} && end == text.data() + text.size();
  if (!is_whole || !std::isfinite(value) || value < lowest || value > highest) {
    YAML::Emitter range;
    range << lowest;
    std::string bounds = range.c_str();
    YAML::Emitter top;
    top << highest;
    refuse(where, "must be a number from " + bounds + " to " + top.c_str() + ", is " + kind_of(where.node));
  }
  return value;
}

std::int64_t read_duration_ms(const field& where) {
  if (!where.node.IsScalar()) refuse(where, "must be a duration such as 500ms, 2s or 5m, is " + kind_of(where.node));
  const result<std::int64_t> duration = parse_duration_ms(where.node.Scalar());
  if (!duration) refuse(where, duration.failure().message);
  return *duration;
}

std::vector<std::string> read_texts(const field& where, std::size_t items_max, std::size_t bytes_max) {
  if (where.node.IsScalar()) return {read_name(where, bytes_max)};
  const std::vector<field> items = read_items(where);
  if (items.size() > items_max) {
    refuse(where,
           "has " + std::to_string(items.size()) + " items; at most " + std::to_string(items_max) + " are allowed");
  }
  std::vector<std::string> texts;
  for (const field& item : items) texts.push_back(read_name(item, bytes_max));
  return texts;
}

}  // namespace hive::plan_files
