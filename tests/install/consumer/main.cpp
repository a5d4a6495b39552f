// Uses one thing of each installed part, under both spellings of an include.
#include <hive/base/ids.hpp>

#include <iostream>

#include "config/config.hpp"
#include "hive/v1/task.pb.h"

#ifdef HAS_CLIENT
#include "client/client.hpp"
#include "client/worker.hpp"
#endif

int main() {
  hive::v1::TaskSpec spec;
  spec.set_type("greet");
  const auto settings = hive::config::load_client_config("", {});
  if (!settings || spec.ByteSizeLong() == 0) return 1;
#ifdef HAS_CLIENT
  hive::worker_options options;
  options.name = "consumer";
  options.connection = *settings;
  const hive::worker worker(options);
  if (worker.running_count() != 0) return 1;
#endif
  std::cout << hive::to_string(hive::task_id{42}) << " through " << settings->endpoint << '\n';
  return 0;
}
