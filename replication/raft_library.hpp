#pragma once

// raft.h of libraft 0.22.1 for C++. It lacks extern "C", and its static_assert defines a type inside sizeof, which C++
// forbids; that one assertion is about the library's own layout and holds in the library's build.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern "C" {
#define static_assert(...) static_assert(true, "")  // NOLINT(bugprone-reserved-identifier,cppcoreguidelines-macro-usage)
#include <raft.h>
#undef static_assert
}
