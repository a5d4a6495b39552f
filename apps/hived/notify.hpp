#pragma once

#include <string>

namespace hive::apps {

/// Tells systemd how the service is ("READY=1", "STOPPING=1") by one datagram to $NOTIFY_SOCKET, which may be a path
/// or an abstract name ("@..."). Does nothing if the variable is not set; a failure to send is not an error.
void notify_service_manager(const std::string& state);

}  // namespace hive::apps
