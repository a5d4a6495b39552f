// A worker with two handlers. Start several (each with its own name): the node spreads the tasks over them.
//
//   HIVE_ENDPOINT=127.0.0.1:7117 ./word_count_worker first-worker
#include <cstdio>
#include <sstream>
#include <string>

#include "client/worker.hpp"

namespace {

// A handler gets a view of its task and answers the result: bytes, or a failure. It runs on one of the worker's
// threads, as many at a time as the worker has slots.
hive::task_outcome count_words(hive::task_context& task) {
  std::istringstream text(task.payload());
  std::string word;
  std::size_t count = 0;
  while (text >> word) {
    ++count;
    // Somebody canceled the task, or its time is over: stop soon and say so.
    if (task.is_canceled()) return hive::task_canceled{};
    if (count % 100'000 == 0) task.progress(0.5, std::to_string(count) + " words so far");
  }
  return "{\"words\": " + std::to_string(count) + "}";
}

// In a plan, a step can read the results of the steps that it needs.
hive::task_outcome join_results(hive::task_context& task) {
  std::string all = "[";
  for (const auto& input : task.inputs()) {
    if (all.size() > 1) all += ", ";
    all += input.result().payload();
  }
  // A failure that will not go away is not tried again; exceptions and other failures are.
  if (all.size() == 1) return hive::task_failure{.message = "there is nothing to join", .is_retryable = false};
  return all + "]";
}

}  // namespace

int main(int argc, char** argv) {
  hive::worker_options options;
  options.name = argc > 1 ? argv[1] : "word-count";  // unique: the same name is the same worker
  options.slots = 2;
  auto settings = hive::config::load_client_config("", {});
  if (!settings) {
    std::fprintf(stderr, "%s\n", to_string(settings.failure()).c_str());
    return hive::exit_status(settings.failure().code);
  }
  options.connection = *settings;

  hive::worker worker(options);
  worker.on("word_count", count_words).on("join", join_results);

  // Runs until SIGTERM or Ctrl-C: then takes nothing new, finishes what it has and leaves. If the connection is
  // lost the tasks go on, and the worker takes up where it was when it is back in time.
  if (auto done = worker.run(); !done) {
    std::fprintf(stderr, "%s\n", to_string(done.failure()).c_str());
    return hive::exit_status(done.failure().code);
  }
  return 0;
}
