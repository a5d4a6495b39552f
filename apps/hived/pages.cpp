#include "apps/hived/pages.hpp"

#include <string>
#include <utility>
#include <vector>

namespace hive::apps {
namespace {

metrics::page_answer health_answer(const node_health& health, core::health_question question) {
  const auto problem = health.problem(question);
  return problem ? metrics::page_answer{503, *problem + "\n"} : metrics::page_answer{200, "ok\n"};
}

}  // namespace

result<std::unique_ptr<metrics::page_server>> open_pages(const config::node_config& settings,
                                                         const metrics::node_probe& probe,
                                                         const std::shared_ptr<const node_health>& health) {
  if (settings.node.metrics_listen.empty()) return std::unique_ptr<metrics::page_server>{};
  const auto address = config::parse_endpoint(settings.node.metrics_listen, "node.metrics_listen");
  if (!address) return address.failure();
  std::vector<metrics::page> pages;
  pages.push_back({"/metrics", false, [&probe] { return metrics::page_answer{200, probe.text()}; }});
  for (const auto question : core::health_questions) {
    pages.push_back({std::string("/") + core::to_string(question), true,
                     [health, question] { return health_answer(*health, question); }});
  }
  return metrics::page_server::open(address->host, address->port, std::move(pages));
}

}  // namespace hive::apps
