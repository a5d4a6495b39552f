#include "apps/hive-bench/scenarios.hpp"

namespace hive::bench {
namespace {

bench_options with(void (*change)(bench_options& made)) {
  bench_options made;
  change(made);
  return made;
}

}  // namespace

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> all{
      {"lifecycle",
       "create, lease and complete no-op tasks, one call a task, many in flight",
       {"clients", "workers", "slots", "payload-bytes", "coalescing", "count", "duration", "warm-up", "rate",
        "in-flight", "connect", "folder"},
       with([](bench_options& made) { made.count = 100'000; }),
       run_lifecycle},
      {"create",
       "create tasks in batches, then one at a time, without workers",
       {"clients", "payload-bytes", "batch", "coalescing", "count", "warm-up", "connect", "folder"},
       with([](bench_options& made) { made.count = 200'000; }),
       run_create},
      {"dispatch-latency",
       "from the create call to the handler: one task at a time on an idle system, or at a rate",
       {"clients", "workers", "slots", "payload-bytes", "coalescing", "count", "duration", "warm-up", "rate", "connect",
        "folder"},
       with([](bench_options& made) {
         made.count = 2'000;
         made.warm_up = 100;
       }),
       run_dispatch},
      {"plan-forkjoin",
       "a plan of N parallel steps between a fork and a join",
       {"workers", "slots", "count", "connect", "folder"},
       with([](bench_options& made) { made.count = 10'000; }),
       run_forkjoin},
      {"plan-chain",
       "a plan of N steps, each needing the one before",
       {"workers", "slots", "count", "connect", "folder"},
       with([](bench_options& made) { made.count = 1'000; }),
       run_chain},
      {"plan-random",
       "a plan of N steps in layers; each needs some random ones of the layer before",
       {"workers", "slots", "count", "layers", "needs", "seed", "connect", "folder"},
       with([](bench_options& made) { made.count = 10'000; }),
       run_random},
      {"events-fanout",
       "N events at a rate to many subscribers; dispatch latency without and with them",
       {"workers", "slots", "payload-bytes", "subscribers", "processes", "count", "warm-up", "rate", "connect",
        "folder"},
       with([](bench_options& made) {
         made.count = 1'000;
         made.warm_up = 100;
         made.rate = 100;
       }),
       run_fanout},
      {"backlog",
       "lifecycle rate and dispatch latency with N queued tasks of another type, and what those take",
       {"clients", "workers", "slots", "payload-bytes", "batch", "coalescing", "count", "in-flight", "connect",
        "folder"},
       with([](bench_options& made) { made.count = 1'000'000; }),
       run_backlog},
      {"workers",
       "what many idle workers cost the node",
       {"workers", "slots", "processes", "duration", "folder"},
       with([](bench_options& made) {
         made.workers = 1'000;
         made.slots = 1;
         made.duration_seconds = 10;
       }),
       run_workers},
      {"restart",
       "time until the node serves again with N tasks stored",
       {"clients", "payload-bytes", "batch", "count", "folder"},
       with([](bench_options& made) { made.count = 1'000'000; }),
       run_restart},
      {"mixed",
       "tasks at a rate, plans, subscribers and a reader at once",
       {"clients", "workers", "slots", "payload-bytes", "coalescing", "duration", "rate", "subscribers", "processes",
        "needs", "connect", "folder"},
       with([](bench_options& made) {
         made.duration_seconds = 10;
         made.rate = 2'000;
         made.subscribers = 10;
         made.processes = 1;
       }),
       run_mixed},
  };
  return all;
}

}  // namespace hive::bench
