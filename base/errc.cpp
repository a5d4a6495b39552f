#include "base/errc.hpp"

#include <array>

namespace hive {
namespace {

struct errc_row {
  std::string_view name;
  int http;
};

constexpr std::array<errc_row, 12> rows{{
    {"none", 200},
    {"invalid_argument", 400},
    {"not_found", 404},
    {"already_exists", 409},
    {"failed_precondition", 412},
    {"resource_exhausted", 429},
    {"unavailable", 503},
    {"not_leader", 421},
    {"deadline_exceeded", 504},
    {"permission_denied", 403},
    {"data_loss", 500},
    {"internal", 500},
}};

constexpr int exit_status_base = 10;

}  // namespace

std::string to_string(errc code) {
  const auto index = static_cast<std::size_t>(code);
  return std::string{index < rows.size() ? rows[index].name : "unknown"};
}

int exit_status(errc code) { return code == errc::none ? 0 : exit_status_base + static_cast<int>(code); }

int http_status(errc code) {
  const auto index = static_cast<std::size_t>(code);
  return index < rows.size() ? rows[index].http : 500;
}

std::string to_string(const error& failure) {
  std::string text = to_string(failure.code) + ": " + failure.message;
  if (!failure.field.empty()) text += " (field: " + failure.field + ")";
  return text;
}

v1::Status to_status(const error& failure) {
  v1::Status status;
  status.set_code(static_cast<v1::ErrorCode>(failure.code));
  status.set_message(failure.message);
  status.set_field(failure.field);
  return status;
}

error to_error(const v1::Status& status) {
  const auto code = static_cast<std::size_t>(status.code());
  return {code < rows.size() ? static_cast<errc>(code) : errc::internal, status.message(), status.field()};
}

}  // namespace hive
