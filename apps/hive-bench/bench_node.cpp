#include "apps/hive-bench/bench_node.hpp"

#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto start_patience = 60s;

}  // namespace

bench_node::bench_node(std::filesystem::path folder, std::uint16_t port, std::vector<std::string> settings)
    : folder_(std::move(folder)), listen_("127.0.0.1:" + std::to_string(port)), settings_(std::move(settings)) {
  std::filesystem::create_directories(folder_);
}

void bench_node::spawn() {
  std::filesystem::remove(ports());  // of a node that was killed
  std::vector<std::string> arguments{(program_folder() / "hived").string(),
                                     "--data-dir",
                                     data().string(),
                                     "--listen",
                                     listen_,
                                     "--metrics-listen",
                                     "127.0.0.1:0",
                                     "--log-level",
                                     "warn"};
  for (const auto& setting : settings_) arguments.insert(arguments.end(), {"--set", setting});
  hived_ = std::make_unique<child>(std::move(arguments), (folder_ / "hived.log").string());
}

bool bench_node::wait_up() {
  poll_until([&] { return std::filesystem::exists(ports()) || !hived_->is_running(); }, start_patience);
  if (!std::filesystem::exists(ports())) return false;
  endpoint_ = "127.0.0.1:" + std::to_string(nlohmann::json::parse(text_of(ports())).at("clients").get<int>());
  return true;
}

void bench_node::start() {
  spawn();
  if (!wait_up()) throw std::runtime_error("hived did not start: " + log());
}

void bench_node::kill() {
  if (hived_) hived_->kill();
  hived_.reset();
}

void bench_node::wipe() { std::filesystem::remove_all(data()); }

std::uint64_t bench_node::memory_bytes() const {
  if (!hived_) return 0;
  std::ifstream status{"/proc/" + std::to_string(hived_->pid()) + "/status"};
  std::string word;
  while (status >> word) {
    if (word == "RssAnon:") {
      std::uint64_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024;
    }
  }
  return 0;
}

std::uint64_t bench_node::disk_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{data()}) {
    struct stat found {};
    if (::stat(entry.path().c_str(), &found) == 0 && S_ISREG(found.st_mode))
      sum += static_cast<std::uint64_t>(found.st_blocks) * 512;
  }
  return sum;
}

}  // namespace hive::bench
