#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "apps/executor/spawn.hpp"

namespace hive::executor {

/// Makes this process the parent of every descendant whose own parent dies, so that processes that left their task's
/// group (setsid) can still be found and ended. Call once at the start of a worker program. From then on the program
/// must wait for children only through this folder. False if the system refuses.
bool adopt_orphans();

/// spawn(), and remembers the process as a task's own until forget_leader().
result<spawned_process> spawn_leader(const spawn_request& request);
void forget_leader(pid_t pid);

/// Kills and reaps what is left of a run: adopted processes of the group `leader`, and those whose environment holds
/// `token` ("NAME=value"), with their descendants. Does nothing without adopt_orphans(). Thread-safe.
void end_orphans(pid_t leader, const std::string& token);

}  // namespace hive::executor
