#pragma once

#include <string>
#include <string_view>

namespace hive::metrics {

/// `text` as a gzip file, for bodies of HTTP; empty if zlib has no memory for it.
std::string gzip(std::string_view text);

}  // namespace hive::metrics
