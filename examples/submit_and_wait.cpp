// Creates a task, waits for it and prints its result. Run a worker that knows the type first, for example
// word_count_worker from this folder, and point both at a node:
//
//   HIVE_ENDPOINT=127.0.0.1:7117 ./word_count_worker &
//   HIVE_ENDPOINT=127.0.0.1:7117 ./submit_and_wait some text to count
#include <chrono>
#include <cstdio>
#include <string>

#include "client/client.hpp"

int main(int argc, char** argv) {
  std::string text;
  for (int i = 1; i < argc; ++i) text += std::string(argv[i]) + " ";

  // Settings come from HIVE_ENDPOINT and so on, or from hive.toml. The client connects by itself, and again when
  // the connection is lost; calls wait for that within their timeout.
  auto hive = hive::get_client();

  // A task is its type (which handler), a payload (bytes for the handler), and settings that all have defaults.
  hive::v1::TaskSpec spec = hive::make_task("word_count", text, "count some words");
  spec.set_content_type("text/plain");
  spec.set_priority(5);
  spec.mutable_retry()->set_max_attempts(3);

  // When create_task returns, the task is on disk. Expected failures are values, not exceptions.
  auto created = hive->create_task(spec);
  if (!created) {
    std::fprintf(stderr, "cannot create the task: %s\n", to_string(created.failure()).c_str());
    return hive::exit_status(created.failure().code);
  }
  std::printf("created %s\n", to_string(created->id).c_str());

  auto task = hive->wait_task(created->id, std::chrono::seconds(60));
  if (!task) {
    // Nothing is lost: the task goes on without us. explain_task says what it waits for.
    auto why = hive->explain_task(created->id);
    std::fprintf(stderr, "not done yet: %s\n", why ? why->summary().c_str() : to_string(task.failure()).c_str());
    return hive::exit_status(task.failure().code);
  }
  if (task->status().state() != hive::v1::TASK_STATE_COMPLETED) {
    std::fprintf(stderr, "it did not work: %s\n", task->status().reason_text().c_str());
    return 1;
  }
  std::printf("%s\n", task->result().payload().c_str());
  return 0;
}
