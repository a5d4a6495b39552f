#include "config/config.hpp"

#include "config/settings_loader.hpp"
#include "config/settings_table.hpp"

namespace hive::config {

namespace {

template <class Config, class OtherConfig>
result<Config> load(const std::string& path, const std::vector<setting_override>& overrides) {
  Config config;
  OtherConfig other;
  std::vector<setting> settings = settings_of(config);
  if (!path.empty()) {
    if (auto done = read_file(path, settings, section_names(settings_of(other))); !done) return done.failure();
  }
  if (auto done = read_environment(settings); !done) return done.failure();
  if (auto done = read_overrides(overrides, settings); !done) return done.failure();
  if (auto done = check_together(settings); !done) return done.failure();
  return config;
}

}  // namespace

result<node_config> load_node_config(const std::string& path, const std::vector<setting_override>& overrides) {
  return load<node_config, client_config>(path, overrides);
}

result<client_config> load_client_config(const std::string& path, const std::vector<setting_override>& overrides) {
  return load<client_config, node_config>(path, overrides);
}

}  // namespace hive::config
