#pragma once

// raft.h of libraft 0.22.1 for C++. It lacks extern "C", and its static_assert defines a type inside sizeof, which C++
// forbids; that one assertion is about the library's own layout and holds in the library's build.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern "C" {
#define static_assert(...) \
  static_assert(true, "")  // NOLINT(bugprone-reserved-identifier,cppcoreguidelines-macro-usage)
#include <raft.h>
#undef static_assert
}

// cmake/FindRaft.cmake says so too. The library does not export its own raft_version_number().
static_assert(RAFT_VERSION_NUMBER >= 2201, "libraft before 0.22.1 is not safe");
