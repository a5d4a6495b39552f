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
        "in-flight", "nodes", "connect", "folder"},
       with([](bench_options& made) { made.count = 100'000; }),
       run_lifecycle},
      {"create",
       "create tasks in batches, then one at a time, without workers",
       {"clients", "payload-bytes", "batch", "coalescing", "count", "warm-up", "nodes", "connect", "folder"},
       with([](bench_options& made) { made.count = 200'000; }),
       run_create},
      {"dispatch-latency",
       "from the create call to the handler: one task at a time on an idle system, or at a rate",
       {"clients", "workers", "slots", "payload-bytes", "coalescing", "count", "duration", "warm-up", "rate", "nodes",
        "connect", "folder"},
       with([](bench_options& made) {
         made.count = 2'000;
         made.warm_up = 100;
       }),
       run_dispatch},
      {"plan-forkjoin",
       "a plan of N parallel steps between a fork and a join",
       {"workers", "slots", "count", "nodes", "connect", "folder"},
       with([](bench_options& made) { made.count = 10'000; }),
       run_forkjoin},
      {"plan-chain",
       "a plan of N steps, each needing the one before",
       {"workers", "slots", "count", "nodes", "connect", "folder"},
       with([](bench_options& made) { made.count = 1'000; }),
       run_chain},
      {"plan-random",
       "a plan of N steps in layers; each needs some random ones of the layer before",
       {"workers", "slots", "count", "layers", "needs", "seed", "nodes", "connect", "folder"},
       with([](bench_options& made) { made.count = 10'000; }),
       run_random},
      {"events-fanout",
       "N events at a rate to many subscribers; dispatch latency without and with them",
       {"workers", "slots", "payload-bytes", "subscribers", "processes", "count", "warm-up", "rate", "nodes", "connect",
        "folder"},
       with([](bench_options& made) {
         made.count = 1'000;
         made.warm_up = 100;
         made.rate = 100;
       }),
       run_fanout},
      {"backlog",
       "lifecycle rate and dispatch latency with N queued tasks of another type, and what those take",
       {"clients", "workers", "slots", "payload-bytes", "batch", "coalescing", "count", "in-flight", "nodes", "connect",
        "folder"},
       with([](bench_options& made) { made.count = 1'000'000; }),
       run_backlog},
      {"workers",
       "what many idle workers cost the nodes",
       {"workers", "slots", "processes", "duration", "nodes", "folder"},
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
       run_restart,
       "this scenario stops and kills a node that stands alone; the failover scenario kills those of a cluster"},
      {"mixed",
       "tasks at a rate, plans, subscribers and a reader at once",
       {"clients", "workers", "slots", "payload-bytes", "coalescing", "duration", "rate", "subscribers", "processes",
        "needs", "nodes", "connect", "folder"},
       with([](bench_options& made) {
         made.duration_seconds = 10;
         made.rate = 2'000;
         made.subscribers = 10;
         made.processes = 1;
       }),
       run_mixed},
      {"failover",
       "kill -9 of a cluster's leader, N times: until a client that keeps trying has its next create acknowledged",
       {"payload-bytes", "tries", "writers", "nodes", "folder"},
       with([](bench_options& made) { made.nodes = 3; }),
       run_failover,
       {},
       "a node that stands alone has nobody to take over",
       "Each try: kill -9 of the leader; until the next create of an ordinary client, with an idempotency key, is\n"
       "acknowledged (failover_*_seconds); then the node is started again, until it has caught up\n"
       "(failover_return_*_seconds). --writers more write all the time. At the end every acknowledged task is read at\n"
       "every node: if one is missing, or was created twice, there are no figures but an error."},
      {"transfer",
       "planned handing over of a cluster's leadership, N times: the request, and until the new leader has taken a "
       "write",
       {"payload-bytes", "tries", "writers", "nodes", "folder"},
       with([](bench_options& made) { made.nodes = 3; }),
       run_transfer,
       {},
       "a node that stands alone has nobody to hand over to",
       "Each try: what hivectl cluster transfer asks, to the voter with the most of the log\n"
       "(transfer_request_latency_*), and from the same moment on until a create behind it is acknowledged by the new\n"
       "leader (transfer_write_latency_*). --writers more write all the time. At the end every acknowledged task is "
       "read\n"
       "at every node, as after a failover."},
      {"read-consistency",
       "N local and N linearizable reads of one task in turn, at the leader and at a follower of a cluster",
       {"payload-bytes", "count", "warm-up", "nodes", "folder"},
       with([](bench_options& made) {
         made.nodes = 3;
         made.count = 5'000;
         made.warm_up = 200;
       }),
       run_read_consistency,
       {},
       "the reads of a node that stands alone are all linearizable",
       "A local read shows what the node that is asked has applied; a linearizable one everything that was "
       "acknowledged\n"
       "before, for which that node asks a majority. One client does them one at a time, in turn.\n"
       "read_*_linearizable_extra_*: the quantile of the one less that of the other."},
  };
  return all;
}

}  // namespace hive::bench
