#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace hive::config {

struct endpoint {
  std::string host;
  std::uint16_t port = 0;
};

/// "127.0.0.1:7117", "localhost:0", "[::1]:7117". invalid_argument names `field`.
result<endpoint> parse_endpoint(const std::string& text, const std::string& field);
std::string to_string(const endpoint& address);
/// One or more to connect to, separated by commas: "a:7117, b:7117"; a repeated one counts once. invalid_argument
/// names `field`, also for port 0.
result<std::vector<endpoint>> parse_endpoints(const std::string& text, const std::string& field);
/// "a:7117,b:7117".
std::string to_string(const std::vector<endpoint>& addresses);
/// A member as [cluster] peers name it: "1=10.0.0.1:7117".
struct peer {
  std::uint64_t node_id = 0;
  endpoint address;
};
/// invalid_argument names `field`.
result<peer> parse_peer(const std::string& text, const std::string& field);
/// True for localhost, ::1 and 127.0.0.0/8. Resolves nothing.
bool is_loopback(const std::string& host);

struct log_config {
  std::string level = "info";           // trace debug info warn error off
  std::vector<std::string> components;  // "ledger=debug"
  std::string format = "text";          // text or json
  std::string file;                     // empty: stderr
};

/// Everything hived can be told, checked. One table in node_config.cpp gives names, ranges, defaults,
/// help, environment variables (HIVE_LEDGER_BATCH_COMMANDS_MAX), the sample file and --print-config.
struct node_config {
  struct {
    std::string data_dir = "hive-data";
    std::string listen = "127.0.0.1:7117";          // clients and workers; beyond loopback only with tls
    std::string metrics_listen = "127.0.0.1:7118";  // "" turns it off
    bool metrics_beyond_loopback = false;           // metrics_listen may be any address
    std::uint32_t scheduler_threads = 2;            // 2..4
  } node;
  /// All three files or none. With them node.listen speaks TLS only.
  struct {
    std::string certificate;
    std::string key;
    std::string authority;
    std::uint32_t connections_max = 1'024;
    std::int64_t handshake_ms = 5'000;
    std::int64_t idle_ms = 10'000;

    [[nodiscard]] bool is_on() const { return !certificate.empty(); }
  } tls;
  /// With a name this node is a member of a cluster (or waits to become one), else it stands alone.
  struct {
    std::string name;
    std::uint64_t node_id = 0;
    std::string endpoint;            // where clients and other nodes reach this node; empty: node.listen
    std::vector<std::string> peers;  // "1=10.0.0.1:7117", all founding members, this one too; empty: join or init
    std::uint32_t election_ms = 600;
    std::uint32_t heartbeat_ms = 100;

    [[nodiscard]] bool is_on() const { return !name.empty(); }
  } cluster;
  log_config log;
  struct {
    std::uint64_t map_bytes_max = 64ULL << 30;
    std::uint32_t readers_max = 512;
  } storage;
  struct {
    std::uint32_t batch_commands_max = 4096;
    std::uint64_t batch_bytes_max = 16 << 20;
    std::uint32_t inflight_commands_max = 100'000;  // beyond: resource_exhausted
    std::uint64_t inflight_bytes_max = 256 << 20;
  } ledger;
  struct {
    std::uint64_t payload_bytes_max = 1 << 20;
    std::uint64_t log_bytes_max = 1 << 20;
    std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;
    std::int64_t cancel_grace_ms = 10'000;
    std::uint32_t retry_attempts = 3;
    std::int64_t backoff_initial_ms = 1'000;
    std::int64_t backoff_max_ms = 60'000;
    std::uint32_t poison_workers_lost = 3;
  } tasks;
  struct {
    std::uint32_t steps_max = 1'000'000;
    std::uint64_t upload_bytes_max = 1ULL << 30;
    std::uint32_t uploads_max = 4;
    std::int64_t upload_ms = 600'000;
  } plans;
  struct {
    std::int64_t heartbeat_interval_ms = 500;
    std::int64_t grace_ms = 2'000;
    std::uint32_t workers_max = 100'000;
  } workers;
  struct {
    std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;
    std::uint64_t events_max = 100'000'000;
    std::uint32_t subscribers_max = 10'000;
    std::int64_t ack_timeout_ms = 30'000;  // a subscriber that acknowledges nothing for so long is dropped
  } events;
};

/// What a client or worker program is told: section [client] of hive.toml (its log settings are
/// client.log_level and so on), HIVE_CLIENT_<NAME>, and HIVE_ENDPOINT, which wins over HIVE_CLIENT_ENDPOINT.
struct client_config {
  std::string endpoint = "127.0.0.1:7117";   // of a cluster as many nodes as one likes, separated by commas
  std::string prefer = "leader";             // the node to be connected to: leader, any
  std::string reads = "local";               // local (what the node knows), linearizable (everything acknowledged)
  std::int64_t request_timeout_ms = 10'000;  // of one try
  std::int64_t total_timeout_ms = 60'000;    // of a call with its retries
  std::uint32_t inflight_max = 1000;         // calls in flight; more wait
  bool is_coalescing = true;
  /// All three files or none. With them the node must speak TLS.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_authority;
  std::string tls_server_name;  // that the node's certificate must be for; empty: the host of the endpoint
  log_config log{.level = "warn", .components = {}, .format = "text", .file = {}};
};

/// A setting given on the command line: {"node.data_dir", "/tmp/x"}.
struct setting_override {
  std::string name;
  std::string value;
};

/// Defaults, then the file (if `path` is not empty), then the environment (HIVE_SECTION_NAME), then
/// overrides. invalid_argument with "hive.toml:12: ..." and the nearest valid name for unknown keys, wrong
/// types and ranges; not_found if the file is missing, unavailable if it cannot be read. Each loader skips the
/// sections of the other and refuses those that neither knows.
result<node_config> load_node_config(const std::string& path, const std::vector<setting_override>& overrides);
result<client_config> load_client_config(const std::string& path, const std::vector<setting_override>& overrides);

/// TOML text of a configuration in force, readable by load_node_config.
std::string print_node_config(const node_config& config);
/// The commented sample, from the same table.
std::string sample_node_config();
/// docs/configuration.md, from the same table.
std::string configuration_reference();

}  // namespace hive::config
