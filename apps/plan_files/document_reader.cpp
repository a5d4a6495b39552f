#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <sstream>

#include "apps/plan_files/file_text.hpp"
#include "apps/plan_files/plan_checks.hpp"
#include "apps/plan_files/plan_files.hpp"
#include "apps/plan_files/step_reader.hpp"
#include "core/limits.hpp"

namespace hive::plan_files {
namespace {

const core::core_limits limits;

v1::FailurePolicy read_failure_policy(const field& where) {
  const std::string text = read_text(where);
  if (text == "fail_fast") return v1::FAILURE_POLICY_FAIL_FAST;
  if (text == "continue") return v1::FAILURE_POLICY_CONTINUE;
  refuse(where, "must be fail_fast or continue, is '" + text.substr(0, 64) + "'");
}

/// JSON writes letters beyond 16 bits as two escapes; YAML knows one long escape only. Lines stay where they are.
std::string with_long_escapes(std::string_view text) {
  const auto hex_at = [&](std::size_t at) -> unsigned {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return 0;
    unsigned value = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
      const auto digit = std::string_view{"0123456789abcdef"}.find(
          static_cast<char>(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]));
      if (digit == std::string_view::npos) return 0;
      value = value * 16 + static_cast<unsigned>(digit);
    }
    return value;
  };
  std::string converted;
  converted.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const unsigned high = hex_at(i);
    const unsigned low = high >= 0xD800 && high < 0xDC00 ? hex_at(i + 6) : 0;
    if (low >= 0xDC00 && low < 0xE000) {
      char escape[16];
      std::snprintf(escape, sizeof escape, "\\U%08X", 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
      converted += escape;
      i += 12;
      continue;
    }
    const std::size_t length = text[i] == '\\' && i + 1 < text.size() ? 2 : 1;  // "\\u" is no escape of a letter
    converted += text.substr(i, length);
    i += length;
  }
  return converted;
}

bool is_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

YAML::Node parse(std::string_view text, const std::string& file_name) {
  const std::string whole = is_json(text) ? with_long_escapes(text) : std::string{text};
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(whole);
  } catch (const YAML::Exception& problem) {
    std::string where = file_name;
    if (!problem.mark.is_null()) where += ":" + std::to_string(problem.mark.line + 1);
    throw refusal{{errc::invalid_argument, where + ": " + problem.msg, {}}};
  }
  if (documents.empty() || documents.front().IsNull()) {
    throw refusal{{errc::invalid_argument, file_name + ": the plan is empty", {}}};
  }
  if (documents.size() > 1)
    refuse({file_name, {}, documents[1]}, "a file holds one plan; a second document starts here");
  return documents.front();
}

v1::PlanDocument read_document(const field& root) {
  const map_reader map{root, {"name", "failure_policy", "deadline", "defaults", "steps"}};
  v1::PlanDocument document;
  if (const auto name = map.find("name")) document.set_name(read_name(*name, limits.name_bytes_max));
  if (const auto policy = map.find("failure_policy")) document.set_failure_policy(read_failure_policy(*policy));
  if (const auto deadline = map.find("deadline")) document.set_deadline_ms(read_duration_ms(*deadline));
  step_defaults defaults;
  if (const auto given = map.find("defaults")) defaults = read_defaults(*given);

  const field list = map.require("steps");
  const std::vector<field> items = read_items(list);
  if (items.empty()) refuse(list, "must not be empty");
  if (items.size() > limits.plan_steps_max) {
    refuse(list, "has " + std::to_string(items.size()) + " steps; at most " + std::to_string(limits.plan_steps_max) +
                     " are allowed");
  }
  for (const field& item : items) *document.add_steps() = read_step(item, defaults);

  graph_fault fault;
  if (check_graph(document, fault)) return document;
  const field& step = items[static_cast<std::size_t>(fault.step)];
  if (fault.need < 0) {
    const YAML::Node name = step.node["name"];
    refuse({step.file_name, step.path, name}, fault.message);
  }
  const YAML::Node needs = step.node["needs"];
  const bool is_list = needs.IsSequence();
  const std::string path = step.path + ".needs" + (is_list ? "[" + std::to_string(fault.need) + "]" : "");
  refuse({step.file_name, path, is_list ? needs[fault.need] : needs}, fault.message);
}

}  // namespace

result<std::string> read_file_text(const std::string& path) {
  std::ostringstream text;
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return error{errc::not_found, path + ": cannot be opened; is the path right?", {}};
  }
  std::istream& from = path == "-" ? std::cin : file;
  std::string part(1 << 16, '\0');
  std::uint64_t total = 0;
  while (from.read(part.data(), static_cast<std::streamsize>(part.size())) || from.gcount() > 0) {
    total += static_cast<std::uint64_t>(from.gcount());
    if (total > plan_file_bytes_max) {
      return error{errc::resource_exhausted,
                   path + ": is larger than " + std::to_string(plan_file_bytes_max >> 20) + " MiB",
                   {}};
    }
    text.write(part.data(), from.gcount());
  }
  if (from.bad()) return error{errc::invalid_argument, path + ": cannot be read (is it a folder?)", {}};
  return text.str();
}

std::string stem_of(const std::string& path) {
  if (path == "-") return "stdin";
  std::string name = path.substr(path.find_last_of('/') + 1);
  const std::size_t dot = name.find_last_of('.');
  if (dot != std::string::npos && dot > 0) name.resize(dot);
  return name.substr(0, limits.name_bytes_max);
}

result<v1::PlanDocument> read_plan(std::string_view text, const std::string& file_name) {
  try {
    return read_document({file_name, {}, parse(text, file_name)});
  } catch (const refusal& refused) {
    return refused.failure;
  } catch (const YAML::Exception& problem) {
    return error{errc::invalid_argument, file_name + ": " + problem.what(), {}};
  }
}

result<v1::PlanDocument> read_plan_file(const std::string& path) {
  const result<std::string> text = read_file_text(path);
  if (!text) return text.failure();
  result<v1::PlanDocument> document = read_plan(*text, path == "-" ? "stdin" : path);
  if (document && document->name().empty()) document->set_name(stem_of(path));
  return document;
}

}  // namespace hive::plan_files
