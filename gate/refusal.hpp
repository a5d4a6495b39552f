#pragma once

#include <cstdint>
#include <string>

namespace hive::gate {

/// Why the gate ended a connection or took a message out of it. The names are values of a metric's label and part of
/// log lines.
enum class refusal : std::uint8_t {
  none,                  // the peer or the node ended it
  plain_client,          // does not speak TLS
  no_certificate,        // sent none
  unknown_authority,     // its certificate was not issued by our authority
  expired_certificate,   // or not valid yet; also while connected
  bad_certificate,       // any other fault of it
  wrong_identity,        // it names no role of this cluster
  handshake_failed,      // TLS could not be agreed upon
  handshake_timeout,     // the handshake, or the first frame, did not come in time
  too_many_connections,  // beyond the caps
  bad_frame,             // what BASP must not see
  identity_taken,        // says it is a process that is connected with another certificate
  forbidden_message,     // a message that its role may not send; the connection goes on
  too_large,             // a message beyond the limit; the connection goes on
  idle,                  // said nothing, not even a heartbeat
  not_reading,           // took nothing of what was sent to it
  slow_frame,            // a frame did not end in time
  overloaded,            // too many large frames under way at once
  internal,              // the node could not take it
};

/// All of them, for labels.
constexpr std::uint8_t refusals = static_cast<std::uint8_t>(refusal::internal) + 1;

/// "expired_certificate".
std::string to_string(refusal reason);

/// A refusal with what is known of it; `detail` is for people and holds no control characters.
struct ending {
  refusal reason = refusal::none;
  std::string detail;
};

}  // namespace hive::gate
