#pragma once

#include <utility>

#include <caf/response_promise.hpp>

#include "actors/batch_writer.hpp"
#include "actors/message_types.hpp"

namespace hive {

/// Answers whoever asked the writer, after the commit.
inline void answer(pending_write& entry, caf::response_promise& promise) {
  if (entry.failure) {
    promise.deliver(make_error(*entry.failure));
  } else if (entry.request->respond) {
    promise.deliver(entry.request->respond(std::move(entry.outcomes)));
  } else {
    promise.deliver(std::make_shared<ledger_reply>(ledger_reply{std::move(entry.outcomes)}));
  }
}

}  // namespace hive
