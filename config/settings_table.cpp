#include "config/settings_table.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "base/nearest_name.hpp"
#include "config/logging.hpp"

namespace hive::config {

namespace {

constexpr std::int64_t kib = 1LL << 10;
constexpr std::int64_t mib = 1LL << 20;
constexpr std::int64_t gib = 1LL << 30;
constexpr std::int64_t second_ms = 1'000;
constexpr std::int64_t hour_ms = 3'600 * second_ms;
constexpr std::int64_t day_ms = 24 * hour_ms;
constexpr std::int64_t year_ms = 365 * day_ms;

result<void> check_not_empty(const std::string& text, const std::string& name) {
  if (text.empty()) return error{errc::invalid_argument, name + " must not be empty", name};
  return {};
}

result<void> check_listen(const std::string& text, const std::string& name) {
  const result<endpoint> address = parse_endpoint(text, name);
  if (!address) return address.failure();
  return {};
}

result<void> check_metrics_listen(const std::string& text, const std::string& name) {
  if (text.empty()) return {};
  const result<endpoint> address = parse_endpoint(text, name);
  if (!address) return address.failure();
  return {};
}

result<void> check_remote(const std::string& text, const std::string& name) {
  const result<endpoint> address = parse_endpoint(text, name);
  if (!address) return address.failure();
  if (address->port != 0) return {};
  return error{errc::invalid_argument, name + " must name a port from 1 to 65535, found \"" + text + "\"", name};
}

result<void> check_remotes(const std::string& text, const std::string& name) {
  const auto addresses = parse_endpoints(text, name);
  if (!addresses) return addresses.failure();
  return {};
}

result<void> check_own_endpoint(const std::string& text, const std::string& name) {
  return text.empty() ? result<void>{} : check_remote(text, name);
}

result<void> check_peer(const std::string& text, const std::string& name) {
  const result<peer> parsed = parse_peer(text, name);
  if (!parsed) return parsed.failure();
  return {};
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

result<void> check_one_of(const std::string& text, const std::string& name, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), text) != names.end()) return {};
  const std::string near = nearest_name(text, names);
  return error{errc::invalid_argument,
               name + " must be one of " + quoted_list(names) + ", found \"" + text + "\"" +
                   (near.empty() ? "" : "; did you mean \"" + near + "\"?"),
               name};
}

result<void> check_level(const std::string& text, const std::string& name) {
  return check_one_of(text, name, log_levels());
}

result<void> check_format(const std::string& text, const std::string& name) {
  return check_one_of(text, name, {"text", "json"});
}

result<void> check_prefer(const std::string& text, const std::string& name) {
  return check_one_of(text, name, {"leader", "any"});
}

result<void> check_reads(const std::string& text, const std::string& name) {
  return check_one_of(text, name, {"local", "linearizable"});
}

const std::string allowed_components = "COMPONENT=LEVEL; components: ";

std::vector<setting> log_settings(log_config& log, const std::string& section, const std::string& prefix) {
  return {
      {section, prefix + "level", &log.level, "Level of all components that have none of their own.", 0, 0, check_level,
       quoted_list(log_levels())},
      {section, prefix + "components", &log.components, "Levels by component, such as \"ledger=debug\".", 0, 0,
       check_component_level, allowed_components + quoted_list(log_components())},
      {section, prefix + "format", &log.format, "Lines for people (text) or one JSON object a line (json).", 0, 0,
       check_format, "text, json"},
      {section, prefix + "file", &log.file, "File that lines are appended to; empty: standard error.", 0, 0, nullptr,
       "a path"},
  };
}

std::vector<setting> node_section(node_config& config) {
  auto& node = config.node;
  return {
      {"node", "data_dir", &node.data_dir, "Folder of the node's data; made if it is missing.", 0, 0, check_not_empty,
       "a path"},
      {"node", "listen", &node.listen,
       "Address for clients and workers; port 0 takes a free one, written to ports.json in the data folder.", 0, 0,
       check_listen, "HOST:PORT; beyond loopback only with the files of [tls]"},
      {"node", "metrics_listen", &node.metrics_listen,
       "Address of the pages /metrics (Prometheus), /live, /ready and /leader (load balancers): plain HTTP, readable "
       "by anyone who reaches it; empty: none.",
       0, 0, check_metrics_listen, "HOST:PORT, on loopback unless metrics_beyond_loopback; or empty"},
      {"node", "metrics_beyond_loopback", &node.metrics_beyond_loopback,
       "Lets metrics_listen be any address of this machine, such as one of a private network: everybody who reaches it "
       "can read the pages, unencrypted."},
      {"node", "scheduler_threads", &node.scheduler_threads, "Threads that run actors.", 2, 4},
  };
}

std::vector<setting> tls_section(node_config& config) {
  auto& tls = config.tls;
  return {
      {"tls", "certificate", &tls.certificate,
       "PEM file with the node's certificate; with it node.listen speaks TLS only, and clients need certificates too. "
       "A file that "
       "is replaced is used for new connections within seconds.",
       0, 0, nullptr, "a path; empty: no TLS"},
      {"tls", "key", &tls.key, "PEM file with its private key, without a pass phrase; nobody else should read it.", 0,
       0, nullptr, "a path"},
      {"tls", "authority", &tls.authority,
       "PEM file with the certificate of the authority that issued the node's and all clients' certificates; may hold "
       "several.",
       0, 0, nullptr, "a path"},
      {"tls", "connections_max", &tls.connections_max, "Most connections at once; more are refused.", 1, 100'000},
      {"tls", "handshake_ms", &tls.handshake_ms, "A connection that has not finished its handshake by then is closed.",
       100, 60 * second_ms},
      {"tls", "idle_ms", &tls.idle_ms,
       "A connection from which nothing comes for so long, not even a heartbeat, is closed.", 2 * second_ms, hour_ms},
  };
}

std::vector<setting> cluster_section(node_config& config) {
  auto& cluster = config.cluster;
  return {
      {"cluster", "name", &cluster.name,
       "Name of the cluster; all its nodes have the same. Empty: the node stands alone.", 0, 0, nullptr,
       "a name; empty: no cluster"},
      {"cluster", "node_id", &cluster.node_id,
       "Number of this node in its cluster, never used for another one, not even for this one after its data were "
       "lost; "
       "0: no cluster.",
       0, std::numeric_limits<std::int64_t>::max()},
      {"cluster", "endpoint", &cluster.endpoint,
       "Where clients, workers and the other nodes reach this node; empty: as node.listen.", 0, 0, check_own_endpoint,
       "HOST:PORT or empty"},
      {"cluster", "peers", &cluster.peers,
       "All founding members, this one too, the same on each. A new node founds the cluster with them. Empty: it waits "
       "for hivectl cluster add or init.",
       0, 0, check_peer, "NODE_ID=HOST:PORT"},
      {"cluster", "election_ms", &cluster.election_ms,
       "A follower that hears nothing of a leader for one to two times this long calls an election.", 50,
       60 * second_ms},
      {"cluster", "heartbeat_ms", &cluster.heartbeat_ms, "How often a leader without news shows that it lives.", 10,
       10 * second_ms},
  };
}

std::vector<setting> storage_sections(node_config& config) {
  auto& storage = config.storage;
  auto& ledger = config.ledger;
  return {
      {"storage", "map_bytes_max", &storage.map_bytes_max,
       "Most that the database may grow to. Address space, not memory or disk; new work is refused near it.", 64 * mib,
       16'384 * gib},
      {"storage", "readers_max", &storage.readers_max, "Read transactions open at once.", 16, 8'192},
      {"ledger", "batch_commands_max", &ledger.batch_commands_max, "Most commands in one commit.", 1, 100'000},
      {"ledger", "batch_bytes_max", &ledger.batch_bytes_max, "Most bytes of commands in one commit.", 64 * kib, gib},
      {"ledger", "inflight_commands_max", &ledger.inflight_commands_max,
       "Commands accepted and not yet answered; beyond it new ones are refused with resource_exhausted.", 1,
       10'000'000},
      {"ledger", "inflight_bytes_max", &ledger.inflight_bytes_max, "The same in bytes.", mib, 64 * gib},
  };
}

std::vector<setting> work_sections(node_config& config) {
  auto& tasks = config.tasks;
  auto& plans = config.plans;
  return {
      {"tasks", "payload_bytes_max", &tasks.payload_bytes_max, "Most bytes of a task's payload, and of its result.",
       1 * kib, 8 * mib},
      {"tasks", "log_bytes_max", &tasks.log_bytes_max,
       "Output kept of one task; what is over is dropped, and the task says so.", 0, 256 * mib},
      {"tasks", "retention_ms", &tasks.retention_ms,
       "Finished tasks and plans, and workers that ended, are purged after this.", second_ms, 10 * year_ms},
      {"tasks", "cancel_grace_ms", &tasks.cancel_grace_ms,
       "A canceled task whose worker confirms nothing ends as canceled after this.", 0, hour_ms},
      {"tasks", "retry_attempts", &tasks.retry_attempts, "Attempts of a task whose retry policy names no number.", 1,
       1'000},
      {"tasks", "backoff_initial_ms", &tasks.backoff_initial_ms,
       "Wait before the second attempt, where the retry policy names none.", 1, day_ms},
      {"tasks", "backoff_max_ms", &tasks.backoff_max_ms,
       "Longest wait between attempts, where the retry policy names none.", 1, 30 * day_ms},
      {"tasks", "poison_workers_lost", &tasks.poison_workers_lost,
       "A task that was running on this many workers in a row when they were lost fails as poison.", 1, 1'000},
      {"plans", "steps_max", &plans.steps_max, "Most steps of one plan.", 1, 1'000'000},
      {"plans", "upload_bytes_max", &plans.upload_bytes_max, "Most bytes of a plan that is sent in parts.", mib,
       16 * gib},
      {"plans", "uploads_max", &plans.uploads_max, "Plans that may arrive in parts at once.", 1, 1'000},
      {"plans", "upload_ms", &plans.upload_ms, "A plan that has not arrived whole by then is dropped.", second_ms,
       day_ms},
  };
}

std::vector<setting> session_sections(node_config& config) {
  auto& workers = config.workers;
  auto& events = config.events;
  return {
      {"workers", "heartbeat_interval_ms", &workers.heartbeat_interval_ms, "How often a worker is told to report.", 50,
       60 * second_ms},
      {"workers", "grace_ms", &workers.grace_ms,
       "A worker that is silent or disconnected for so long is lost, and its tasks are queued again.", 100, hour_ms},
      {"workers", "workers_max", &workers.workers_max, "Most workers registered.", 1, 1'000'000},
      {"events", "retention_ms", &events.retention_ms, "Events are purged after this.", second_ms, 10 * year_ms},
      {"events", "events_max", &events.events_max, "Most events kept; the oldest are purged first.", 1'000,
       10'000'000'000},
      {"events", "subscribers_max", &events.subscribers_max, "Most subscribers at once.", 1, 1'000'000},
      {"events", "ack_timeout_ms", &events.ack_timeout_ms,
       "A subscriber that acknowledges nothing for so long is dropped; it may come back with its cursor.", second_ms,
       hour_ms},
  };
}

void add(std::vector<setting>& all, std::vector<setting> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

const setting* entry_named(const std::vector<setting>& settings, const std::string& name) {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const setting& entry) { return full_name(entry) == name; });
  return found == settings.end() ? nullptr : &*found;
}

std::uint64_t value_of(const setting& entry) {
  if (const auto* small = std::get_if<std::uint32_t*>(&entry.field)) return **small;
  if (const auto* large = std::get_if<std::uint64_t*>(&entry.field)) return **large;
  return static_cast<std::uint64_t>(**std::get_if<std::int64_t*>(&entry.field));  // no setting has a minimum below 0
}

const std::string* text_named(const std::vector<setting>& settings, const std::string& name) {
  const setting* const entry = entry_named(settings, name);
  return entry == nullptr ? nullptr : *std::get_if<std::string*>(&entry->field);
}

/// Half of TLS would be none, or a node that nobody can reach.
result<void> check_tls_files(const std::vector<setting>& settings, const std::string& prefix) {
  const std::vector<std::string> names{prefix + "certificate", prefix + "key", prefix + "authority"};
  std::string given;
  std::string missing;
  for (const std::string& name : names) {
    const std::string* const path = text_named(settings, name);
    if (path == nullptr) return {};
    (path->empty() ? missing : given) = name;
  }
  if (given.empty() || missing.empty()) return {};
  return error{errc::invalid_argument,
               missing + " is missing: TLS needs " + quoted_list(names) + ", and " + given + " is set (" +
                   entry_named(settings, given)->origin + ")",
               missing};
}

/// Pages that everybody can read must not leave the machine by mistake.
result<void> check_metrics_reach(const std::vector<setting>& settings) {
  const setting* const listen = entry_named(settings, "node.metrics_listen");
  if (listen == nullptr || **std::get_if<bool*>(&entry_named(settings, "node.metrics_beyond_loopback")->field))
    return {};
  const std::string& text = **std::get_if<std::string*>(&listen->field);
  const result<endpoint> address = parse_endpoint(text, "node.metrics_listen");
  if (!address || is_loopback(address->host)) return {};
  return error{
      errc::invalid_argument,
      "node.metrics_listen = \"" + text + "\" (" + listen->origin +
          ") is not a loopback address, and its pages are plain HTTP. If everybody who reaches it may read them, "
          "set node.metrics_beyond_loopback = true",
      "node.metrics_listen"};
}

/// A plain link must not leave the machine.
result<void> check_reach(const std::vector<setting>& settings) {
  const setting* const listen = entry_named(settings, "node.listen");
  if (listen == nullptr) return {};
  const std::string& text = **std::get_if<std::string*>(&listen->field);
  const result<endpoint> address = parse_endpoint(text, "node.listen");
  if (!address || is_loopback(address->host) || !text_named(settings, "tls.certificate")->empty()) return {};
  return error{
      errc::invalid_argument,
      "node.listen = \"" + text + "\" (" + listen->origin +
          ") is not a loopback address (127.0.0.0/8, [::1] or localhost), and beyond loopback a node speaks TLS "
          "only. To turn it on: hivectl tls init CLUSTER, hivectl tls issue node NAME --host HOST, then set "
          "tls.certificate, tls.key and tls.authority (docs/operations.md)",
      "node.listen"};
}

/// A cluster needs a name, a number and an address that others can use.
result<void> check_cluster(const std::vector<setting>& settings) {
  const setting* const id = entry_named(settings, "cluster.node_id");
  if (id == nullptr) return {};
  const bool is_on = !text_named(settings, "cluster.name")->empty();
  const std::uint64_t node_id = value_of(*id);
  if (is_on != (node_id != 0)) {
    return error{errc::invalid_argument,
                 is_on ? "cluster.node_id must be 1 or more: cluster.name is set (" +
                             entry_named(settings, "cluster.name")->origin + ")"
                       : "cluster.name is missing: cluster.node_id is set (" + id->origin + ")",
                 is_on ? "cluster.node_id" : "cluster.name"};
  }
  const setting* const peers = entry_named(settings, "cluster.peers");
  const auto& listed = **std::get_if<std::vector<std::string>*>(&peers->field);
  std::set<std::uint64_t> seen;
  for (const std::string& text : listed) {
    const result<peer> one = parse_peer(text, "cluster.peers");
    if (!one) return one.failure();
    if (seen.insert(one->node_id).second) continue;
    return error{errc::invalid_argument, "cluster.peers names node " + std::to_string(one->node_id) + " twice",
                 "cluster.peers"};
  }
  if (listed.empty() || seen.contains(node_id)) return {};
  return error{errc::invalid_argument,
               "cluster.peers (" + peers->origin + ") lists all founding members, and this node (cluster.node_id = " +
                   std::to_string(node_id) + ", " + id->origin + ") is not among them",
               "cluster.peers"};
}

}  // namespace

std::vector<setting> settings_of(node_config& config) {
  std::vector<setting> all = node_section(config);
  add(all, tls_section(config));
  add(all, cluster_section(config));
  add(all, log_settings(config.log, "log", ""));
  add(all, storage_sections(config));
  add(all, work_sections(config));
  add(all, session_sections(config));
  return all;
}

std::vector<setting> settings_of(client_config& config) {
  std::vector<setting> all{
      {"client", "endpoint", &config.endpoint,
       "Address of the node; of a cluster those of some or all nodes, separated by commas.", 0, 0, check_remotes,
       "HOST:PORT[,HOST:PORT...]", "HIVE_ENDPOINT"},
      {"client", "prefer", &config.prefer,
       "Connects to the node that leads and follows it (leader), or stays at the first node that answers (any): for "
       "programs that only read or subscribe, since other nodes refuse changes with not_leader.",
       0, 0, check_prefer, "leader, any"},
      {"client", "reads", &config.reads,
       "Reads show what the node knows, which at a node that does not lead may be a little old (local), or everything "
       "that was acknowledged anywhere before (linearizable, one more round trip).",
       0, 0, check_reads, "local, linearizable"},
      {"client", "request_timeout_ms", &config.request_timeout_ms, "Longest wait for the answer to one try.", 10,
       hour_ms},
      {"client", "total_timeout_ms", &config.total_timeout_ms, "Longest time of a call with its retries.", 10, day_ms},
      {"client", "inflight_max", &config.inflight_max, "Calls in flight; more wait their turn.", 1, 100'000},
      {"client", "is_coalescing", &config.is_coalescing, "Sends calls that are in flight together as one message."},
      {"client", "tls_certificate", &config.tls_certificate,
       "PEM file with this program's certificate; with it the node must speak TLS.", 0, 0, nullptr,
       "a path; empty: no TLS"},
      {"client", "tls_key", &config.tls_key, "PEM file with its private key.", 0, 0, nullptr, "a path"},
      {"client", "tls_authority", &config.tls_authority,
       "PEM file with the certificate of the authority that issued the node's certificate.", 0, 0, nullptr, "a path"},
      {"client", "tls_server_name", &config.tls_server_name,
       "Host name or address that the node's certificate must be for; empty: the host of the endpoint.", 0, 0, nullptr,
       "a name"},
  };
  add(all, log_settings(config.log, "client", "log_"));
  return all;
}

std::string full_name(const setting& entry) { return entry.section + "." + entry.name; }

std::string variable_name(const setting& entry) {
  std::string name = "HIVE_" + entry.section + "_" + entry.name;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char letter) { return static_cast<char>(std::toupper(static_cast<unsigned char>(letter))); });
  return name;
}

std::string kind_name(const setting& entry) {
  if (std::holds_alternative<bool*>(entry.field)) return "true or false";
  if (std::holds_alternative<std::string*>(entry.field)) return "a string";
  if (std::holds_alternative<std::vector<std::string>*>(entry.field)) return "a list of strings";
  return "an integer";
}

std::string unit_name(const setting& entry) {
  if (entry.name.ends_with("_ms")) return "ms";
  if (entry.name.ends_with("bytes_max")) return "bytes";
  return {};
}

std::string toml_quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string quoted = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      quoted += '\\';
      quoted += letter;
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += "\\u00";
      quoted += digits[byte >> 4];
      quoted += digits[byte & 0xF];
    } else {
      quoted += letter;
    }
  }
  return quoted + '"';
}

std::string toml_value(const setting& entry) {
  if (const auto* flag = std::get_if<bool*>(&entry.field)) return **flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string*>(&entry.field)) return toml_quoted(**text);
  if (const auto* list = std::get_if<std::vector<std::string>*>(&entry.field)) {
    std::string items;
    for (const std::string& item : **list) items += (items.empty() ? "" : ", ") + toml_quoted(item);
    return "[" + items + "]";
  }
  return std::to_string(value_of(entry));
}

std::vector<std::string> section_names(const std::vector<setting>& settings) {
  std::vector<std::string> names;
  for (const setting& entry : settings) {
    if (names.empty() || names.back() != entry.section) names.push_back(entry.section);
  }
  return names;
}

result<void> check_together(const std::vector<setting>& settings) {
  const std::vector<std::pair<std::string, std::string>> rules{
      {"tasks.backoff_initial_ms", "tasks.backoff_max_ms"},
      {"tasks.payload_bytes_max", "ledger.batch_bytes_max"},
      {"ledger.batch_commands_max", "ledger.inflight_commands_max"},
      {"ledger.batch_bytes_max", "ledger.inflight_bytes_max"},
      {"workers.heartbeat_interval_ms", "workers.grace_ms"},
      {"cluster.heartbeat_ms", "cluster.election_ms"},
      {"client.request_timeout_ms", "client.total_timeout_ms"},
  };
  for (const auto& [lower, upper] : rules) {
    const setting* const low = entry_named(settings, lower);
    const setting* const high = entry_named(settings, upper);
    if (low == nullptr || high == nullptr || value_of(*low) <= value_of(*high)) continue;
    return error{errc::invalid_argument,
                 lower + " = " + toml_value(*low) + " (" + low->origin + ") must not be above " + upper + " = " +
                     toml_value(*high) + " (" + high->origin + ")",
                 lower};
  }
  for (const std::string prefix : {"tls.", "client.tls_"}) {
    if (auto done = check_tls_files(settings, prefix); !done) return done;
  }
  if (auto done = check_cluster(settings); !done) return done;
  if (auto done = check_metrics_reach(settings); !done) return done;
  return check_reach(settings);
}

}  // namespace hive::config
