#include "tests/integration/cluster_fixture.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "apps/hive-bench/free_ports.hpp"

namespace hive::test {
namespace {

constexpr int start_tries_max = 5;
constexpr std::uint16_t port_of_own_host = 7117;

std::shared_ptr<client> connect_with(const config::client_config& settings) {
  auto connection = hive::connect(settings);
  if (!connection) throw std::runtime_error(to_string(connection.failure()));
  return std::move(*connection);
}

}  // namespace

cluster::cluster(std::size_t size, std::vector<std::string> settings, const preparation& prepare,
                 cluster_network network)
    : settings_(std::move(settings)), prepare_(prepare), network_(std::move(network)), founders_(size) {
  for (std::size_t i = 0; i < size; ++i) members_.emplace_back(i + 1, mode::founder);
  if (size == 0) return;
  for (std::size_t i = 0; prepare_ && i < size; ++i) prepare_(i, data_folder(i));
  for (int tries = 1; !start_founders(); ++tries) {
    if (tries == start_tries_max) throw std::runtime_error("the cluster did not start:\n" + logs());
  }
  wait_leader();
}

bool cluster::start_founders() {
  const auto ports = bench::free_ports(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i)
    members_[i].port = network_.hosts.empty() ? ports[i] : port_of_own_host;
  for (std::size_t i = 0; i < members_.size(); ++i) spawn(i);
  bool is_up = true;
  for (std::size_t i = 0; i < members_.size(); ++i) is_up = has_come_up(i) && is_up;
  if (is_up) return true;
  // The members stand in the folders with their ports, so that other ports need other folders.
  for (std::size_t i = 0; i < members_.size(); ++i) {
    kill(i);
    wipe(i);
  }
  return false;
}

std::size_t cluster::add(std::uint64_t node_id, mode how) {
  members_.emplace_back(node_id, how);
  const std::size_t i = members_.size() - 1;
  if (prepare_) prepare_(i, data_folder(i));
  for (int tries = 1;; ++tries) {
    members_[i].port = network_.hosts.empty() ? bench::free_ports(1).front() : port_of_own_host;
    spawn(i);
    if (has_come_up(i)) return i;
    if (tries == start_tries_max) throw std::runtime_error("a node did not start:\n" + hived(i).output());
  }
}

std::size_t cluster::add_waiting(std::uint64_t node_id) { return add(node_id, mode::waiting); }
std::size_t cluster::add_standalone(std::uint64_t node_id) { return add(node_id, mode::standalone); }

std::size_t cluster::add_waiting_at(std::uint64_t node_id, const std::string& host,
                                    const std::vector<std::string>& prefix) {
  network_.hosts.push_back(host);
  network_.prefixes.push_back(prefix);
  return add(node_id, mode::waiting);
}

std::string cluster::endpoint(std::size_t i) const {
  return (network_.hosts.empty() ? "127.0.0.1" : network_.hosts.at(i)) + ":" + std::to_string(members_.at(i).port);
}

std::string cluster::endpoints() const {
  std::string all;
  std::set<std::string> distinct;  // a node may have taken the place of one that is gone
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (distinct.insert(endpoint(i)).second) all += (i == 0 ? "" : ",") + endpoint(i);
  }
  return all;
}

std::uint16_t cluster::metrics_port(std::size_t i) const {
  std::ifstream file{data_folder(i) / "ports.json"};
  return nlohmann::json::parse(file).at("metrics").get<std::uint16_t>();
}

std::filesystem::path cluster::data_folder(std::size_t i) const {
  return folder_.path() / ("data-" + std::to_string(members_.at(i).node_id));
}

std::vector<std::string> cluster::arguments_of(std::size_t i) const {
  const auto& one = members_.at(i);
  std::vector<std::string> arguments{one.program,
                                     "--data-dir",
                                     data_folder(i).string(),
                                     "--listen",
                                     endpoint(i),
                                     "--metrics-listen",
                                     network_.hosts.empty() ? "127.0.0.1:0" : ""};
  const auto set = [&](const std::string& text) { arguments.insert(arguments.end(), {"--set", text}); };
  if (one.how != mode::standalone) {
    set("cluster.name=test");
    set("cluster.node_id=" + std::to_string(one.node_id));
  }
  if (one.how == mode::founder) {
    std::string peers;
    for (std::size_t k = 0; k < founders_; ++k) {
      peers += (k == 0 ? "" : ",") + std::to_string(members_[k].node_id) + "=" + endpoint(k);
    }
    set("cluster.peers=" + peers);
  }
  arguments.insert(arguments.end(), settings_.begin(), settings_.end());
  arguments.insert(arguments.end(), one.settings.begin(), one.settings.end());
  arguments.insert(arguments.end(), network_.settings.begin(), network_.settings.end());
  if (network_.hosts.empty()) return arguments;
  arguments.insert(arguments.begin(), network_.prefixes.at(i).begin(), network_.prefixes.at(i).end());
  return arguments;
}

void cluster::spawn(std::size_t i) {
  std::filesystem::remove(data_folder(i) / "ports.json");
  members_[i].hived.emplace(arguments_of(i), folder_.path() / ("hived-" + std::to_string(node_id(i)) + ".log"));
}

bool cluster::has_come_up(std::size_t i) {
  const auto ports = data_folder(i) / "ports.json";
  eventually([&] { return std::filesystem::exists(ports) || !hived(i).is_running(); });
  return hived(i).is_running() && std::filesystem::exists(ports);
}

void cluster::start(std::size_t i) {
  spawn(i);
  if (!has_come_up(i)) throw std::runtime_error("hived did not start:\n" + hived(i).output());
}

int cluster::stop(std::size_t i, std::chrono::milliseconds patience) {
  hived(i).signal(SIGTERM);
  return hived(i).wait(patience);
}

void cluster::wipe(std::size_t i) {
  if (!std::filesystem::exists(data_folder(i))) return;
  // Not the folder itself, which may be a file system of its own.
  for (const auto& entry : std::filesystem::directory_iterator(data_folder(i))) std::filesystem::remove_all(entry);
}

std::optional<v1::ClusterStatusResponse> cluster::status(std::size_t i) {
  auto settings = settings_at(i);
  settings.request_timeout_ms = 1'000;
  settings.total_timeout_ms = 1'000;
  auto told = connect_with(settings)->cluster_status();
  if (!told || told->node_id() != node_id(i)) return {};
  return std::move(*told);
}

std::size_t cluster::wait_leader(std::chrono::milliseconds patience) {
  std::size_t leader = members_.size();
  const auto is_agreed = [&] {
    std::map<std::uint64_t, std::size_t> votes;
    std::size_t voters = 0;
    leader = members_.size();
    std::uint64_t term = 0;
    for (const std::size_t i : running()) {
      const auto told = status(i);
      if (!told) continue;
      if (told->leader_id() != 0) ++votes[told->leader_id()];
      if (told->role() != "leader" || told->term() < term) continue;
      term = told->term();
      leader = i;
      voters = static_cast<std::size_t>(std::count_if(told->members().begin(), told->members().end(),
                                                      [](const auto& m) { return m.role() == v1::MEMBER_ROLE_VOTER; }));
    }
    return leader < members_.size() && votes[node_id(leader)] > voters / 2;
  };
  if (!eventually(is_agreed, patience)) throw std::runtime_error("no leader:\n" + logs());
  return leader;
}

void cluster::wait_caught_up(const std::vector<std::size_t>& nodes, std::chrono::milliseconds patience) {
  const auto led = status(wait_leader());
  const std::uint64_t wanted = led ? led->commit_index() : 0;
  const bool is_done = eventually(
      [&] {
        return std::all_of(nodes.begin(), nodes.end(), [&](std::size_t i) {
          const auto told = status(i);
          return told && told->applied_index() >= wanted;
        });
      },
      patience);
  if (!is_done) throw std::runtime_error("a node does not catch up:\n" + logs());
}

std::vector<std::size_t> cluster::running() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].hived && members_[i].hived->is_running()) all.push_back(i);
  }
  return all;
}

std::shared_ptr<client> cluster::connect() const { return connect_with(settings_for(endpoints())); }

std::shared_ptr<client> cluster::connect_to(std::size_t i) const { return connect_with(settings_at(i)); }

config::client_config cluster::settings_for(const std::string& endpoints) const {
  auto settings = network_.client;
  settings.endpoint = endpoints;
  return settings;
}

std::vector<std::string> cluster::environment_for(const std::string& endpoints) const {
  auto variables = network_.environment;
  variables.push_back("HIVE_ENDPOINT=" + endpoints);
  return variables;
}

config::client_config cluster::settings_at(std::size_t i) const {
  // Not "127.0.0.1": clients of the same text share a link, and one that was lost may have moved to another node.
  auto settings =
      settings_for(network_.hosts.empty() ? "localhost:" + std::to_string(members_.at(i).port) : endpoint(i));
  settings.prefer = "any";
  return settings;
}

std::shared_ptr<client> cluster::connect_to_any() const {
  auto settings = settings_for(endpoints());
  settings.prefer = "any";
  return connect_with(settings);
}

process cluster::start_worker(const std::string& name, unsigned slots) const {
  return {{std::string{HIVE_TEST_WORKER}, name, std::to_string(slots)},
          folder_.path() / (name + ".log"),
          environment_for(endpoints())};
}

finished cluster::ctl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("hivectl"));
  return run(std::move(arguments), environment_for(endpoints()));
}

finished cluster::ctl_at(std::size_t i, std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("hivectl"));
  return run(std::move(arguments), environment_for(endpoint(i)));
}

std::string cluster::logs() {
  constexpr std::size_t tail_bytes = 3'000;
  const char* kept = std::getenv("HIVE_TEST_LOGS");
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    if (entry.path().extension() != ".log") continue;
    if (kept != nullptr) {
      const auto folder = std::filesystem::path{kept} / folder_.path().filename();
      std::filesystem::create_directories(folder);
      std::filesystem::copy_file(entry.path(), folder / entry.path().filename(),
                                 std::filesystem::copy_options::overwrite_existing);
    }
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    all += "---- " + entry.path().stem().string() + "\n" +
           (text.size() > tail_bytes ? text.substr(text.size() - tail_bytes) : text);
  }
  return all;
}

}  // namespace hive::test
