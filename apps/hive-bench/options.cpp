#include "apps/hive-bench/options.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>

namespace hive::bench {
namespace {

struct option_entry {
  std::string_view name;
  std::function<CLI::Option*(CLI::App&, bench_options&)> add;
  std::function<nlohmann::json(const bench_options&)> value;
};

template <class Value>
option_entry number(std::string_view name, Value bench_options::*field, double from, double to, std::string about) {
  return {name,
          [=](CLI::App& command, bench_options& into) {
            return command.add_option("--" + std::string{name}, into.*field, about)
                ->capture_default_str()
                ->check(CLI::Range(from, to));
          },
          [=](const bench_options& from_options) { return nlohmann::json(from_options.*field); }};
}

option_entry text(std::string_view name, std::string bench_options::*field, const std::string& about) {
  return {name,
          [=](CLI::App& command, bench_options& into) {
            return command.add_option("--" + std::string{name}, into.*field, about);
          },
          [=](const bench_options& from_options) { return nlohmann::json(from_options.*field); }};
}

// As a check of CLI11: what is wrong, or nothing.
std::string explain_nodes(const std::string& text) {
  if (text == "1" || text == "3" || text == "5") return {};
  return "a benchmark has 1, 3 or 5 nodes, not " + text +
         ": a cluster of an even number survives no more losses than one with a node less";
}

const std::vector<option_entry>& entries() {
  using options = bench_options;
  static const std::vector<option_entry> all{
      number("clients", &options::clients, 1, 64, "threads that call; they share this process's connection"),
      number("workers", &options::workers, 1, 10'000, "workers"),
      number("slots", &options::slots, 1, 4096, "slots of each worker"),
      number("payload-bytes", &options::payload_bytes, 0, 1 << 20, "payload of each task"),
      number("batch", &options::batch, 1, 10'000, "tasks a batch"),
      number("count", &options::count, 1, 100'000'000, "how many (tasks, steps or events)"),
      number("duration", &options::duration_seconds, 0.1, 86'400, "seconds, instead of --count"),
      number("warm-up", &options::warm_up, 0, 10'000'000, "tasks before the measurement"),
      number("rate", &options::rate, 0.01, 10'000'000,
             "open loop: so many a second, latency from the intended start; else as fast as answers come"),
      number("in-flight", &options::in_flight, 1, 100'000, "calls at a time without --rate, all clients together"),
      {"coalescing",
       [](CLI::App& command, options& into) {
         return command.add_flag("--coalescing,!--no-coalescing", into.is_coalescing,
                                 "calls in flight share messages (default)");
       },
       [](const options& from) { return nlohmann::json(from.is_coalescing); }},
      number("subscribers", &options::subscribers, 1, 10'000, "event subscriptions"),
      number("processes", &options::processes, 1, 64, "processes that hold the workers or subscribers"),
      number("layers", &options::layers, 1, 1'000'000, "layers of the random graph"),
      number("needs", &options::needs, 1, 1'000, "a step needs 1 to so many steps of the layer before"),
      number("seed", &options::seed, 0, 9e15, "of the random graph"),
      number("tries", &options::tries, 1, 10'000, "how often"),
      number("writers", &options::writers, 0, 64, "clients that write all the time meanwhile"),
      {"nodes",
       [](CLI::App& command, options& into) {
         return command.add_option("--nodes", into.nodes, "own nodes: 1 stands alone, 3 or 5 are a cluster")
             ->capture_default_str()
             ->check(CLI::Validator(explain_nodes, "1, 3 or 5"));
       },
       // How many there are behind --connect nobody told.
       [](const options& from) {
         return from.endpoint.empty() ? nlohmann::json(from.nodes) : nlohmann::json(nullptr);
       }},
      text("connect", &options::endpoint,
           "measure the node at HOST:PORT (or cluster at A:1,B:2,C:3) instead of an own one"),
      text("folder", &options::folder, "where the own nodes keep their data (default: the temporary folder)"),
  };
  return all;
}

const option_entry& entry_of(std::string_view name) {
  const auto found =
      std::find_if(entries().begin(), entries().end(), [&](const option_entry& one) { return one.name == name; });
  if (found == entries().end()) throw std::logic_error("no such option: " + std::string{name});
  return *found;
}

}  // namespace

void add_options(CLI::App& command, bench_options& into, const option_names& names) {
  std::map<std::string_view, CLI::Option*> added;
  for (const auto name : names) added[name] = entry_of(name).add(command, into);
  if (added.contains("duration") && added.contains("count")) added["duration"]->excludes(added["count"]);
  if (added.contains("nodes") && added.contains("connect")) {
    command.parse_complete_callback([nodes = added["nodes"], connect = added["connect"]] {
      if (nodes->count() > 0 && connect->count() > 0)
        throw CLI::ExcludesError(
            "--nodes starts nodes of its own, --connect measures some that run already: only one of the two",
            CLI::ExitCodes::ExcludesError);
    });
  }
}

nlohmann::json describe_settings(const bench_options& options, const option_names& names) {
  auto settings = nlohmann::json::object();
  for (const auto name : names) {
    std::string field{name};
    std::replace(field.begin(), field.end(), '-', '_');
    if (field == "duration") field = "duration_seconds";
    if (field == "rate") field = "rate_per_second";
    settings[field] = entry_of(name).value(options);
  }
  return settings;
}

}  // namespace hive::bench
