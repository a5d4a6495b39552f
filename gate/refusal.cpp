#include "gate/refusal.hpp"

namespace hive::gate {

std::string to_string(refusal reason) {
  switch (reason) {
    case refusal::none:
      return "none";
    case refusal::plain_client:
      return "plain_client";
    case refusal::no_certificate:
      return "no_certificate";
    case refusal::unknown_authority:
      return "unknown_authority";
    case refusal::expired_certificate:
      return "expired_certificate";
    case refusal::bad_certificate:
      return "bad_certificate";
    case refusal::wrong_identity:
      return "wrong_identity";
    case refusal::handshake_failed:
      return "handshake_failed";
    case refusal::handshake_timeout:
      return "handshake_timeout";
    case refusal::too_many_connections:
      return "too_many_connections";
    case refusal::bad_frame:
      return "bad_frame";
    case refusal::identity_taken:
      return "identity_taken";
    case refusal::forbidden_message:
      return "forbidden_message";
    case refusal::too_large:
      return "too_large";
    case refusal::idle:
      return "idle";
    case refusal::not_reading:
      return "not_reading";
    case refusal::slow_frame:
      return "slow_frame";
    case refusal::overloaded:
      return "overloaded";
    case refusal::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace hive::gate
