// Bytes: commands as protobuf, batches as CAF messages, and a request to an actor of this process.
#include <benchmark/benchmark.h>

#include <caf/actor_system.hpp>
#include <caf/behavior.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/message.hpp>
#include <caf/scoped_actor.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/message_types.hpp"
#include "actors/protobuf_inspect.hpp"
#include "actors/system_config.hpp"
#include "hive/v1/command.pb.h"

namespace hive {
namespace {

constexpr int batch = 64;

v1::TaskSpec spec() {
  v1::TaskSpec made;
  made.set_type("noop");
  made.set_title("noop");
  made.set_payload(std::string(150, 'x'));
  made.set_content_type("text/plain");
  made.set_idempotency_key(std::string(32, 'k'));
  return made;
}

v1::CreateTasksRequest request() {
  v1::CreateTasksRequest made;
  for (int i = 0; i < batch; ++i) *made.add_specs() = spec();
  return made;
}

void command_serialize(benchmark::State& state) {
  v1::Command command;
  *command.mutable_create_task()->mutable_spec() = spec();
  std::string bytes;
  for ([[maybe_unused]] auto _ : state) {
    command.SerializeToString(&bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(command_serialize);

void command_parse(benchmark::State& state) {
  v1::Command command;
  *command.mutable_create_task()->mutable_spec() = spec();
  const auto bytes = command.SerializeAsString();
  for ([[maybe_unused]] auto _ : state) {
    v1::Command parsed;
    if (!parsed.ParseFromString(bytes)) throw std::runtime_error("a command does not parse");
    benchmark::DoNotOptimize(parsed);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(command_parse);

void caf_serialize_batch(benchmark::State& state) {
  system_config config;
  caf::actor_system system{config};
  auto message = caf::make_message(request());
  std::vector<char> bytes;
  for ([[maybe_unused]] auto _ : state) {
    bytes.clear();
    caf::binary_serializer sink{system, bytes};
    if (sink(message)) throw std::runtime_error("a message does not serialize");
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(caf_serialize_batch);

void caf_parse_batch(benchmark::State& state) {
  system_config config;
  caf::actor_system system{config};
  auto message = caf::make_message(request());
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  if (sink(message)) throw std::runtime_error("a message does not serialize");
  for ([[maybe_unused]] auto _ : state) {
    caf::binary_deserializer source{system, bytes};
    caf::message copy;
    if (source(copy)) throw std::runtime_error("a message does not parse");
    benchmark::DoNotOptimize(copy);
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(caf_parse_batch);

// No bytes in between: what the actors and the scheduler take.
void caf_round_trip(benchmark::State& state) {
  system_config config;
  caf::actor_system system{config};
  const auto echo = system.spawn([]() -> caf::behavior {
    return {[](const v1::CreateTasksRequest& asked) {
      v1::CreateTasksResponse answer;
      for (int i = 0; i < asked.specs_size(); ++i) answer.add_items()->set_task_id(static_cast<std::uint64_t>(i) + 1);
      return answer;
    }};
  });
  caf::scoped_actor self{system};
  const auto message = caf::make_message(request());
  for ([[maybe_unused]] auto _ : state) {
    self->request(echo, std::chrono::seconds{10}, message)
        .receive([](const v1::CreateTasksResponse& answer) { benchmark::DoNotOptimize(answer.items_size()); },
                 [](const caf::error&) { throw std::runtime_error("no answer"); });
  }
  self->send_exit(echo, caf::exit_reason::user_shutdown);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(caf_round_trip)->UseRealTime();

}  // namespace
}  // namespace hive
