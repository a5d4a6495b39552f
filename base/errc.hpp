#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hive/v1/status.pb.h"

namespace hive {

/// Canonical error codes; the values are those of v1::ErrorCode and go over the wire.
enum class errc : std::uint8_t {
  none = 0,
  invalid_argument = 1,
  not_found = 2,
  already_exists = 3,
  failed_precondition = 4,
  resource_exhausted = 5,
  unavailable = 6,
  not_leader = 7,
  deadline_exceeded = 8,
  permission_denied = 9,
  data_loss = 10,
  internal = 11,
};

/// The code's name as users see it ("invalid_argument"); "unknown" for a value outside the enum.
std::string to_string(errc code);

/// Process exit status for a command line that ended with `code`: 0 for none, else 10 + the code.
int exit_status(errc code);

/// HTTP status for `code`.
int http_status(errc code);

/// An expected failure: what, which and, where one input is to blame, its path.
struct error {
  errc code = errc::internal;
  std::string message;
  std::string field;
};

/// "invalid_argument: priority must be ... (field: spec.priority)".
std::string to_string(const error& failure);

v1::Status to_status(const error& failure);
error to_error(const v1::Status& status);
inline bool is_ok(const v1::Status& status) { return status.code() == v1::ERROR_CODE_UNSPECIFIED; }

}  // namespace hive
