#include "apps/plan_files/yaml_json.hpp"

#include <charconv>
#include <cmath>

namespace hive::plan_files {
namespace {

constexpr int depth_max = 64;
constexpr int nodes_max = 100'000;

bool looks_like_number(const std::string& text) {
  if (text.find_first_of("0123456789") == std::string::npos) return false;
  return text.find_first_not_of("0123456789+-.eE") == std::string::npos;
}

/// A plain (unquoted) scalar by the core schema. Leading zeros and dates stay text, as a person means them.
json plain_scalar(const field& where) {
  const std::string& text = where.node.Scalar();
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (!looks_like_number(text)) return text;

  const char* const begin = text.data() + (text.front() == '+' ? 1 : 0);
  const char* const end = text.data() + text.size();
  const char* const digits = begin != end && *begin == '-' ? begin + 1 : begin;
  if (end - digits > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') return text;
  std::int64_t whole = 0;
  if (auto [stop, code] = std::from_chars(begin, end, whole); code == std::errc{} && stop == end) return whole;
  std::uint64_t large = 0;
  if (auto [stop, code] = std::from_chars(begin, end, large); code == std::errc{} && stop == end) return large;
  if (std::string_view{digits, end}.find_first_not_of("0123456789") == std::string_view::npos) {
    refuse(where, "the number " + text.substr(0, 64) + " is too large; quote it to pass it as text");
  }
  double real = 0;
  const auto [stop, code] = std::from_chars(begin, end, real);
  if (stop != end) return text;
  if (code != std::errc{} || !std::isfinite(real)) {
    refuse(where, "the number " + text.substr(0, 64) + " is out of range; quote it to pass it as text");
  }
  return real;
}

json convert(const field& where, int depth, int& nodes) {
  if (depth > depth_max) refuse(where, "is nested deeper than " + std::to_string(depth_max) + " levels");
  if (++nodes > nodes_max)
    refuse(where, "has more than " + std::to_string(nodes_max) + " values (with aliases written out)");
  if (where.node.IsSequence()) {
    json list = json::array();
    for (const field& item : read_items(where)) list.push_back(convert(item, depth + 1, nodes));
    return list;
  }
  if (where.node.IsMap()) {
    json object = json::object();
    for (const auto& [key, value] : read_entries(where)) object[key] = convert(value, depth + 1, nodes);
    return object;
  }
  if (!where.node.IsScalar()) return nullptr;
  // yaml-cpp tags a plain scalar "?" and a quoted one "!".
  const std::string& tag = where.node.Tag();
  if (tag == "?" || tag.empty()) return plain_scalar(where);
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return where.node.Scalar();
  refuse(where, "the tag " + tag + " is not supported; quote the value to pass it as text");
}

}  // namespace

json to_json(const field& where) {
  int nodes = 0;
  return convert(where, 0, nodes);
}

}  // namespace hive::plan_files
