#include "apps/hive-bench/report.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <ostream>
#include <thread>

#include "apps/hive-bench/hive_commit.hpp"

namespace hive::bench {
namespace {

std::string processor_name() {
  std::ifstream file{"/proc/cpuinfo"};
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

nlohmann::json describe_machine() {
  utsname system{};
  ::uname(&system);
  return {{"processor", processor_name()},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_bytes", static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE))},
          {"system", std::string{system.sysname} + " " + system.release}};
}

}  // namespace

void add_latencies(figures& into, const std::string& name, const latency_histogram& samples) {
  if (samples.count() == 0) return;
  const auto at = [&](double share) { return static_cast<double>(samples.quantile_ns(share)) / 1e3; };
  into[name + "_p50_us"] = at(0.5);
  into[name + "_p90_us"] = at(0.9);
  into[name + "_p99_us"] = at(0.99);
  into[name + "_p999_us"] = at(0.999);
  into[name + "_max_us"] = static_cast<double>(samples.max_ns()) / 1e3;
  into[name + "_mean_us"] = samples.mean_ns() / 1e3;
  into[name + "_samples_count"] = static_cast<double>(samples.count());
}

void add_durations(figures& into, const std::string& name, const latency_histogram& samples) {
  if (samples.count() == 0) return;
  into[name + "_p50_seconds"] = static_cast<double>(samples.quantile_ns(0.5)) / 1e9;
  into[name + "_p90_seconds"] = static_cast<double>(samples.quantile_ns(0.9)) / 1e9;
  into[name + "_min_seconds"] = static_cast<double>(samples.min_ns()) / 1e9;
  into[name + "_max_seconds"] = static_cast<double>(samples.max_ns()) / 1e9;
  into[name + "_mean_seconds"] = samples.mean_ns() / 1e9;
}

nlohmann::json to_json(const std::string& scenario, const figures& taken, nlohmann::json settings) {
  return {{"scenario", scenario},
          {"figures", taken},
          {"settings", std::move(settings)},
          {"machine", describe_machine()},
          {"versions",
           {{"hive", HIVE_VERSION},
            {"caf", HIVE_CAF_VERSION},
            {"lmdb", HIVE_LMDB_VERSION},
            {"protobuf", HIVE_PROTOBUF_VERSION},
            {"compiler", HIVE_COMPILER}}},
          {"commit", HIVE_COMMIT}};
}

void print_table(std::ostream& out, const std::string& title, const figures& taken) {
  out << title << "\n";
  std::size_t width = 0;
  for (const auto& [name, value] : taken) width = std::max(width, name.size());
  for (const auto& [name, value] : taken) {
    out << "  " << std::left << std::setw(static_cast<int>(width) + 2) << name << std::right << std::setw(14)
        << std::fixed << std::setprecision(value < 100 ? 3 : 0) << value << "\n";
  }
}

}  // namespace hive::bench
