// A worker built on the SDK, for tests that kill it. Task types:
//   noop   answers its payload
//   nap    sleeps the milliseconds that its payload says, and stops when it is canceled
//   fail   fails; payload "final" is not retryable
//   hang   runs until it is canceled
//   chatty reports progress and log lines, then completes
// Usage: hive_test_worker NAME SLOTS [CAPABILITY...]
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <string>

#include "client/worker.hpp"

namespace {

// Waits until the time is over or the task is canceled; true if it was canceled.
bool nap(hive::task_context& task, std::chrono::milliseconds duration) {
  std::mutex mutex;
  std::condition_variable_any canceled;
  std::unique_lock lock{mutex};
  canceled.wait_for(lock, task.cancel_token(), duration, [&] { return task.is_canceled(); });
  return task.is_canceled();
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 3) {
    std::cerr << "usage: hive_test_worker NAME SLOTS [CAPABILITY...]\n";
    return 2;
  }
  auto settings = hive::config::load_client_config("", {});
  if (!settings) {
    std::cerr << to_string(settings.failure()) << "\n";
    return 2;
  }
  hive::worker_options options;
  options.name = arguments[1];
  options.slots = static_cast<std::uint32_t>(std::stoul(arguments[2]));
  for (int index = 3; index < argument_count; ++index) options.capabilities.emplace_back(arguments[index]);
  options.connection = *settings;

  hive::worker worker{options};
  worker.on("noop", [](hive::task_context& task) { return hive::task_output{task.payload()}; });
  worker.on("nap", [](hive::task_context& task) -> hive::task_outcome {
    if (nap(task, std::chrono::milliseconds{std::stol(task.payload())})) return hive::task_canceled{};
    return "\"rested\"";
  });
  worker.on("fail", [](hive::task_context& task) -> hive::task_outcome {
    return hive::task_failure{"it was asked to fail", task.payload() != "\"final\"", "{\"exit_code\":1}"};
  });
  worker.on("hang", [](hive::task_context& task) -> hive::task_outcome {
    while (!nap(task, std::chrono::hours{1})) {
    }
    return hive::task_canceled{};
  });
  worker.on("chatty", [](hive::task_context& task) -> hive::task_outcome {
    task.progress(0.5, "halfway");
    task.log(hive::v1::TaskLogChunk::STREAM_STDOUT, "first line\n");
    task.log(hive::v1::TaskLogChunk::STREAM_STDERR, "second line\n");
    return "\"said\"";
  });
  const auto ended = worker.run();
  if (!ended) std::cerr << to_string(ended.failure()) << "\n";
  return ended ? 0 : 1;
}
