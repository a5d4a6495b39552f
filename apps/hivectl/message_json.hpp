#pragma once

#include <string>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

namespace hive::hivectl {

/// A message as people and scripts want it. Differs from protobuf's own mapping: 64-bit numbers are numbers, ids are
/// text ("task-..."), `*_unix_ms` becomes `*_at` in ISO 8601, states are lower-case words, labels are an object,
/// payloads in JSON are nested, other bytes are text or {"base64": ...}. Empty texts, unset ids, times and parts are
/// left out.
nlohmann::ordered_json to_json(const google::protobuf::Message& message);

/// YAML text of a JSON value; texts are quoted, so that they stay texts.
std::string to_yaml(const nlohmann::ordered_json& value);

}  // namespace hive::hivectl
