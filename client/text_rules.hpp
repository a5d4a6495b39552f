#pragma once

#include "base/result.hpp"
#include "hive/v1/task.pb.h"
#include "hive/v1/worker.pb.h"

namespace hive {

/// Text that is not UTF-8 makes a message that no node can read: the whole message is refused, with everything else
/// that shares it, and in words that name nothing. invalid_argument with the field's name, before it is sent.
result<void> check_texts(const v1::TaskSpec& spec);
result<void> check_texts(const v1::WorkerSpec& spec);

}  // namespace hive
