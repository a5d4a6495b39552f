#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/result.hpp"

// Reading a YAML tree strictly: every refusal names file, line and path. Private to plan_files.

namespace hive::plan_files {

/// Thrown inside this folder only and turned into a value at its edge: yaml-cpp reports by exceptions anyway.
struct refusal {
  error failure;
};

/// A node together with where it came from.
struct field {
  std::string file_name;
  std::string path;
  YAML::Node node;
  int key_line = 0;  // line of the key, counted from 1; an empty value has no place of its own. 0: not known
};

/// Throws the refusal "file:line: path: message".
[[noreturn]] void refuse(const field& where, const std::string& message);

/// A mapping whose keys are known: unknown and repeated keys are refused with the nearest known name.
class map_reader {
 public:
  /// `known` is in the order that messages list it.
  map_reader(field where, std::vector<std::string> known);

  /// The value of a key, or nothing when the key is absent.
  [[nodiscard]] std::optional<field> find(const std::string& key) const;
  /// Refused when absent.
  [[nodiscard]] field require(const std::string& key) const;
  [[nodiscard]] const field& where() const { return where_; }

 private:
  field where_;
  std::vector<std::pair<std::string, field>> entries_;
};

/// The keys and values of a mapping with free keys, in the file's order; repeated keys are refused.
std::vector<std::pair<std::string, field>> read_entries(const field& where);
/// The items of a sequence.
std::vector<field> read_items(const field& where);

std::string read_text(const field& where);
/// As read_text, and refuses "" and texts longer than `bytes_max`.
std::string read_name(const field& where, std::size_t bytes_max);
std::int64_t read_integer(const field& where, std::int64_t lowest, std::int64_t highest);
double read_number(const field& where, double lowest, double highest);
std::int64_t read_duration_ms(const field& where);
/// A list of texts; a single text stands for a list of one.
std::vector<std::string> read_texts(const field& where, std::size_t items_max, std::size_t bytes_max);
/// What a YAML node is, for messages: "a list", "a mapping", "text", "nothing".
std::string kind_of(const YAML::Node& node);

}  // namespace hive::plan_files
