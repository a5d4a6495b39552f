#include "metrics/node_probe.hpp"

#include <prometheus/collectable.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "metrics/names.hpp"
#include "metrics/scrape_families.hpp"
#include "metrics/type_table.hpp"

namespace hive::metrics {

namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

Counter& counter(prometheus::Registry& registry, const names::metric& what) {
  return prometheus::BuildCounter().Name(what.name).Help(what.help).Register(registry).Add({});
}

Gauge& gauge(prometheus::Registry& registry, const names::metric& what, const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(what.name).Help(what.help).Register(registry).Add(labels);
}

template <std::size_t Count>
Histogram& histogram(prometheus::Registry& registry, const names::metric& what,
                     const std::array<double, Count>& bounds) {
  return prometheus::BuildHistogram().Name(what.name).Help(what.help).Register(registry).Add(
      {}, Histogram::BucketBoundaries(bounds.begin(), bounds.end()));
}

double to_seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }
double ms_to_seconds(std::int64_t time_ms) { return time_ms <= 0 ? 0.0 : static_cast<double>(time_ms) / 1000.0; }

/// One metric for each of the first names::actors_max actors, and one for the others. Any thread.
template <class Metric>
class actor_metrics {
 public:
  actor_metrics(prometheus::Family<Metric>& family) : family_(family) {}  // NOLINT(google-explicit-constructor)

  Metric& of(std::string_view actor, const prometheus::Labels& more = {}) {
    const std::lock_guard<std::mutex> lock{mutex_};
    const std::string_view name = bounded(actor);
    auto& row = metrics_[std::string{name}];
    const auto found = row.find(more);
    if (found != row.end()) return *found->second;
    prometheus::Labels labels = more;
    labels[names::label::actor] = name;
    return *(row[more] = &family_.Add(labels));
  }

 private:
  [[nodiscard]] std::string_view bounded(std::string_view actor) const {
    const bool has_room = metrics_.size() < names::actors_max || metrics_.find(actor) != metrics_.end();
    return has_room ? actor : std::string_view{names::other};
  }

  prometheus::Family<Metric>& family_;
  std::mutex mutex_;
  std::map<std::string, std::map<prometheus::Labels, Metric*>, std::less<>> metrics_;
};

/// Asks the node for its snapshot at each scrape.
class scrape_gauges final : public prometheus::Collectable {
 public:
  scrape_gauges(type_table& types, Counter& failures) : types_(types), failures_(failures) {}

  void ask(std::function<node_probe::snapshot()> collect) {
    const std::lock_guard<std::mutex> lock{mutex_};
    collect_ = std::move(collect);
  }

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    std::function<node_probe::snapshot()> collect;
    {
      const std::lock_guard<std::mutex> lock{mutex_};
      collect = collect_;
    }
    std::vector<prometheus::MetricFamily> families;
    try {
      if (collect) families = to_families(collect(), [this](std::string_view type) { return types_.of(type).type; });
    } catch (const std::exception&) {
      failures_.Increment();  // the counters are still served
    }
    // After the question: it may have set them.
    const std::lock_guard<std::mutex> lock{mutex_};
    if (replication_) std::ranges::move(to_families(*replication_), std::back_inserter(families));
    return families;
  }

  void set(replication_figures figures) {
    const std::lock_guard<std::mutex> lock{mutex_};
    replication_ = std::move(figures);
    replication_at_ = std::chrono::steady_clock::now();
  }

  [[nodiscard]] std::optional<std::chrono::nanoseconds> replication_age() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (!replication_) return std::nullopt;
    return std::chrono::steady_clock::now() - replication_at_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<replication_figures> replication_;
  std::chrono::steady_clock::time_point replication_at_;
  std::function<node_probe::snapshot()> collect_;
  type_table& types_;
  Counter& failures_;
};

}  // namespace

struct node_probe::state {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  type_table types{*registry};
  Histogram& dispatch_latency = histogram(*registry, names::dispatch_latency, names::ledger_seconds);
  Histogram& batch_commands = histogram(*registry, names::batch_commands, names::batch_sizes);
  Histogram& batch_apply = histogram(*registry, names::batch_apply, names::ledger_seconds);
  Histogram& batch_commit = histogram(*registry, names::batch_commit, names::ledger_seconds);
  Counter& fsyncs = counter(*registry, names::fsyncs);
  Counter& events = counter(*registry, names::events_committed);
  Counter& workers_lost = counter(*registry, names::workers_lost);
  Counter& subscribers_dropped = counter(*registry, names::subscribers_dropped);
  Counter& scrape_failures = counter(*registry, names::scrape_failures);
  Gauge& subscribers = gauge(*registry, names::subscribers);
  Gauge& subscriber_lag = gauge(*registry, names::subscriber_lag);
  prometheus::Family<Counter>& batches_failed =
      prometheus::BuildCounter().Name(names::batches_failed.name).Help(names::batches_failed.help).Register(*registry);
  actor_metrics<Counter> refused = prometheus::BuildCounter()
                                       .Name(names::requests_refused.name)
                                       .Help(names::requests_refused.help)
                                       .Register(*registry);
  actor_metrics<Gauge> mailboxes =
      prometheus::BuildGauge().Name(names::mailbox_depth.name).Help(names::mailbox_depth.help).Register(*registry);
  Counter& gate_joined = counter(*registry, names::gate_joined);
  prometheus::Family<Counter>& gate_refused =
      prometheus::BuildCounter().Name(names::gate_refused.name).Help(names::gate_refused.help).Register(*registry);
  prometheus::Family<Gauge>& gate_connections = prometheus::BuildGauge()
                                                    .Name(names::gate_connections.name)
                                                    .Help(names::gate_connections.help)
                                                    .Register(*registry);
  std::shared_ptr<scrape_gauges> gauges = std::make_shared<scrape_gauges>(types, scrape_failures);

  void count(const v1::TaskEvent& event);
};

node_probe::node_probe(std::string version) : state_(std::make_unique<state>()) {
  gauge(*state_->registry, names::build_info, {{names::label::version, version}}).Set(1);
  gauge(*state_->registry, names::start_time)
      .Set(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
}

node_probe::~node_probe() = default;

void node_probe::state::count(const v1::TaskEvent& event) {
  const std::string_view name = event.name();
  if (event.is_published() || !name.starts_with("task.")) return;
  const std::string_view what = name.substr(5);
  // Told apart by name, not state: progress and log lines also carry a state.
  if (what == "leased") {
    types.of(event.type()).queue_wait->Observe(ms_to_seconds(event.wait_ms()));
  } else if (what == "created") {
    types.of(event.type()).created->Increment();
  } else if (what == "completed" || what == "failed") {
    auto& metrics = types.of(event.type());
    (what == "completed" ? metrics.completed : metrics.failed)->Increment();
    metrics.run_time->Observe(ms_to_seconds(event.wait_ms()));
    metrics.end_to_end->Observe(ms_to_seconds(event.total_ms()));
  } else if (what == "canceled") {
    auto& metrics = types.of(event.type());
    metrics.canceled->Increment();
    metrics.end_to_end->Observe(ms_to_seconds(event.total_ms()));
  } else if (what == "retry_scheduled") {
    types.of(event.type()).retried->Increment();
  }
}

void node_probe::event_committed(const v1::Event& event) {
  state_->events.Increment();
  if (event.has_task()) {
    state_->count(event.task());
  } else if (event.has_worker() && event.worker().name() == "worker.lost") {
    state_->workers_lost.Increment();
  }
}

void node_probe::batch_committed(std::size_t commands, std::chrono::nanoseconds apply,
                                 std::chrono::nanoseconds commit) {
  state_->batch_commands.Observe(static_cast<double>(commands));
  state_->batch_apply.Observe(to_seconds(apply));
  state_->batch_commit.Observe(to_seconds(commit));
  state_->fsyncs.Increment();
}

void node_probe::batch_failed(errc code) {
  state_->batches_failed.Add({{names::label::code, to_string(code)}}).Increment();
}

void node_probe::assignment_pushed(std::chrono::nanoseconds latency) {
  state_->dispatch_latency.Observe(to_seconds(latency));
}

void node_probe::request_refused(std::string_view actor, errc code) {
  state_->refused.of(actor, {{names::label::code, to_string(code)}}).Increment();
}

void node_probe::mailbox_depth(std::string_view actor, std::size_t depth) {
  state_->mailboxes.of(actor).Set(static_cast<double>(depth));
}

void node_probe::subscriber_lag(std::uint64_t subscribers, std::uint64_t lag_events_max) {
  state_->subscribers.Set(static_cast<double>(subscribers));
  state_->subscriber_lag.Set(static_cast<double>(lag_events_max));
}

void node_probe::subscriber_dropped() { state_->subscribers_dropped.Increment(); }

void node_probe::gate_joined() { state_->gate_joined.Increment(); }

void node_probe::gate_refused(const std::string& reason) {
  state_->gate_refused.Add({{names::label::reason, reason}}).Increment();
}

void node_probe::gate_connections(std::size_t joined, std::size_t pending) {
  state_->gate_connections.Add({{names::label::state, "joined"}}).Set(static_cast<double>(joined));
  state_->gate_connections.Add({{names::label::state, "pending"}}).Set(static_cast<double>(pending));
}

void node_probe::replication(replication_figures figures) { state_->gauges->set(std::move(figures)); }

std::optional<std::chrono::nanoseconds> node_probe::replication_age() const {
  return state_->gauges->replication_age();
}

void node_probe::on_scrape(std::function<snapshot()> collect) { state_->gauges->ask(std::move(collect)); }

std::string node_probe::text() const {
  // First what asks the node: it may also set gauges of the registry, such as the mailbox depths.
  auto gauges = state_->gauges->Collect();
  auto families = state_->registry->Collect();
  std::erase_if(families, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  families.insert(families.end(), std::make_move_iterator(gauges.begin()), std::make_move_iterator(gauges.end()));
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace hive::metrics
