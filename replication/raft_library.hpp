#pragma once

// raft.h of libraft 0.22.1 for C++. It lacks extern "C", and its static_assert defines a type inside sizeof, which C++
// forbids; that one assertion is about the library's own layout and holds in the library's build.
#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" {
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define static_assert(...) static_assert(true, "")
#include <raft.h>
#undef static_assert
#ifdef __clang__
#pragma clang diagnostic pop
#endif
}

// cmake/FindRaft.cmake says so too. The library does not export its own raft_version_number().
static_assert(RAFT_VERSION_NUMBER >= 2201, "libraft before 0.22.1 is not safe");
