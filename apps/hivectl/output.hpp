#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

#include "hive/v1/api.pb.h"
#include "hive/v1/cluster.pb.h"

namespace hive::hivectl {

/// "completed" for TASK_STATE_COMPLETED; "" for UNSPECIFIED.
std::string name_of(v1::TaskState state);
std::string name_of(v1::PlanState state);
std::string name_of(v1::WorkerState state);
std::string name_of(v1::Reason reason);
std::string name_of(v1::MemberRole role);

/// A time for people: "16:05:09" today, "11-20 16:05:09" before; "-" for 0. Local time.
std::string short_time(std::int64_t unix_ms);
/// "2026-11-22T16:05:09.123Z".
std::string iso_time(std::int64_t unix_ms);
/// "3.2s" since `unix_ms` up to now (or `until_unix_ms` if that is not 0); "-" for 0.
std::string elapsed(std::int64_t unix_ms, std::int64_t until_unix_ms = 0);
std::int64_t now_unix_ms();
/// "1.5 GiB".
std::string byte_count(std::uint64_t bytes);

/// Rows with aligned columns.
struct table {
  std::vector<std::string> headers;
  std::vector<std::vector<std::string>> rows;
};

/// Where commands print, in the format that was asked for. Colours only on a terminal and without NO_COLOR.
class output {
 public:
  output();
  /// table, json or yaml.
  void set_format(const std::string& format) { format_ = format; }

  [[nodiscard]] bool is_table() const { return format_ == "table"; }
  [[nodiscard]] bool is_colored() const { return is_colored_; }

  /// The message in JSON or YAML: ids in text form, times in ISO 8601, states by name, JSON payloads as JSON.
  void print(const google::protobuf::Message& message) const;
  /// A list of messages as one array.
  void print_list(const std::vector<const google::protobuf::Message*>& messages) const;
  /// A value that is no message.
  void print_value(const nlohmann::ordered_json& value) const;
  void print(const table& rows) const;
  /// Aligned "name  value" lines; empty values are left out.
  void print_fields(const std::vector<std::pair<std::string, std::string>>& fields) const;
  void print_line(const std::string& line) const;

  /// The word in the colour of its meaning (completed green, failed red, ...), if colours are on.
  [[nodiscard]] std::string colored_state(const std::string& state) const;

 private:
  std::string format_ = "table";
  bool is_colored_ = false;
};

}  // namespace hive::hivectl
