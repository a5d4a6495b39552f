#include "apps/hivectl/message_json.hpp"

#include <algorithm>
#include <array>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include "apps/hivectl/output.hpp"
#include "base/ids.hpp"

namespace hive::hivectl {
namespace {

using json = nlohmann::ordered_json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Bookkeeping of the state machine that nobody asks for.
constexpr std::array<std::string_view, 8> hidden = {"signature_id",     "has_timeouts", "created_seq", "path_ms",
                                                    "path_need_plus_1", "incarnation",  "sweep",       "sweep_next"};

bool ends_with(const std::string& text, std::string_view end) { return std::string_view{text}.ends_with(end); }

/// TASK_STATE_COMPLETED of TaskState -> "completed".
std::string enum_word(const google::protobuf::EnumValueDescriptor& value) {
  std::string prefix;
  for (const char letter : value.type()->name()) {
    if (letter >= 'A' && letter <= 'Z' && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  std::string word = value.name();
  if (word.starts_with(prefix + "_")) word.erase(0, prefix.size() + 1);
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return word;
}

std::string base64(const std::string& bytes) {
  constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = (group << 8) | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? letters[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return text;
}

json bytes_value(const std::string& bytes, const std::string& content_type) {
  if (content_type.find("json") != std::string::npos) {
    json parsed = json::parse(bytes, nullptr, false);
    if (!parsed.is_discarded()) return parsed;
  }
  try {
    [[maybe_unused]] const std::string checked = json(bytes).dump();
    return bytes;
  } catch (const json::exception&) {
    return {{"base64", base64(bytes)}};
  }
}

/// An id's text form; null when it is not an id.
json id_value(const FieldDescriptor& field, std::uint64_t value) {
  const std::string& name = field.name();
  const std::string& owner = field.containing_type()->name();
  if (ends_with(name, "worker_id") || (name == "id" && owner == "Worker")) return to_string(worker_id{value});
  const bool is_task =
      ends_with(name, "task_id") || name == "plan_id" || (name == "id" && (owner == "Task" || owner == "Plan"));
  return is_task ? json(to_string(task_id{value})) : json(nullptr);
}

/// Counts in the order of an enum, as an object of words.
json counts_by_state(const std::vector<std::uint64_t>& counts, const google::protobuf::EnumDescriptor& states) {
  json object = json::object();
  for (std::size_t i = 1; i < counts.size(); ++i) {
    const auto* const state = states.FindValueByNumber(static_cast<int>(i));
    if (state != nullptr) object[enum_word(*state)] = counts[i];
  }
  return object;
}

std::string content_type_beside(const Message& message) {
  for (const char* name : {"content_type", "result_content_type"}) {
    const auto* const field = message.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) continue;
    const std::string type = message.GetReflection()->GetString(message, field);
    return type.empty() ? "application/json" : type;
  }
  return {};
}

json single_value(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(reflection.GetMessage(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return enum_word(*reflection.GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = reflection.GetString(message, &field);
      return field.type() == FieldDescriptor::TYPE_BYTES ? bytes_value(text, content_type_beside(message)) : json(text);
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const std::uint64_t value = reflection.GetUInt64(message, &field);
      const json id = id_value(field, value);
      return id.is_null() ? json(value) : id;
    }
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64: {
      const std::int64_t value = reflection.GetInt64(message, &field);
      return ends_with(field.name(), "_unix_ms") ? json(iso_time(value)) : json(value);
    }
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    default:
      return nullptr;  // the schema has no floating point
  }
}

json repeated_value(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  const int count = reflection.FieldSize(message, &field);
  json list = json::array();
  const bool is_labels =
      field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type()->name() == "Label";
  if (is_labels) list = json::object();
  std::vector<std::uint64_t> counts;
  for (int i = 0; i < count; ++i) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const Message& item = reflection.GetRepeatedMessage(message, &field, i);
        if (is_labels) {
          const auto& label = static_cast<const v1::Label&>(item);
          list[label.key()] = label.value();
        } else {
          list.push_back(to_json(item));
        }
        break;
      }
      case FieldDescriptor::CPPTYPE_STRING:
        list.push_back(reflection.GetRepeatedString(message, &field, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT64: {
        const std::uint64_t value = reflection.GetRepeatedUInt64(message, &field, i);
        counts.push_back(value);
        list.push_back(value);
        break;
      }
      case FieldDescriptor::CPPTYPE_UINT32:
        counts.push_back(reflection.GetRepeatedUInt32(message, &field, i));
        list.push_back(counts.back());
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        list.push_back(enum_word(*reflection.GetRepeatedEnum(message, &field, i)));
        break;
      default:
        break;
    }
  }
  if (field.name() == "by_state" || field.name() == "steps_by_state")
    return counts_by_state(counts, *v1::TaskState_descriptor());
  if (field.name() == "plans_by_state") return counts_by_state(counts, *v1::PlanState_descriptor());
  return list;
}

/// Nothing to tell: an empty text, an id or time that is not set, a part that is not there.
bool is_left_out(const Message& message, const FieldDescriptor& field) {
  if (std::find(hidden.begin(), hidden.end(), field.name()) != hidden.end()) return true;
  const auto& reflection = *message.GetReflection();
  if (field.is_repeated()) return false;
  if (reflection.HasField(message, &field)) return false;
  const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  const bool is_id = field.name() == "id" || ends_with(field.name(), "_id");
  return is_text || is_id || field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
         ends_with(field.name(), "_unix_ms") || field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM ||
         field.containing_oneof() != nullptr;
}

void emit(YAML::Emitter& emitter, const json& value) {
  if (value.is_object()) {
    emitter << (value.empty() ? YAML::Flow : YAML::Block) << YAML::BeginMap;
    for (const auto& [key, item] : value.items()) {
      emitter << YAML::Key << key << YAML::Value;
      emit(emitter, item);
    }
    emitter << YAML::EndMap;
  } else if (value.is_array()) {
    emitter << (value.empty() ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
    for (const json& item : value) emit(emitter, item);
    emitter << YAML::EndSeq;
  } else if (value.is_string()) {
    emitter << YAML::DoubleQuoted << value.get<std::string>();
  } else if (value.is_null()) {
    emitter << YAML::Null;
  } else {
    emitter << value.dump();
  }
}

}  // namespace

json to_json(const Message& message) {
  json object = json::object();
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (is_left_out(message, field)) continue;
    std::string name = field.name();
    if (ends_with(name, "_unix_ms")) name.replace(name.size() - 8, 8, "_at");
    object[name] = field.is_repeated() ? repeated_value(message, field) : single_value(message, field);
  }
  return object;
}

std::string to_yaml(const json& value) {
  YAML::Emitter emitter;
  emit(emitter, value);
  return std::string{emitter.c_str()} + "\n";
}

}  // namespace hive::hivectl
