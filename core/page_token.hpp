#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "hive/v1/api.pb.h"

namespace hive::core::views {

/// Where the next page of a task list begins: behind this task.
struct page_position {
  std::uint32_t inverted_priority = 0;  // as in table::ready; only lists of queued tasks use it
  std::uint64_t task = 0;
};

/// Opaque to clients: position and a hash of the filter, in hexadecimal digits.
std::string encode_page_token(const v1::ListTasksRequest& request, const page_position& behind);

/// Nothing for an empty token. invalid_argument (field "page_token") for a text that is no token, and for one that
/// was given out for another filter or order.
result<std::optional<page_position>> decode_page_token(const v1::ListTasksRequest& request);

}  // namespace hive::core::views
