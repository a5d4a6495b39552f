#include "actors/basp_mending.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>

#include "client/client.hpp"
#include "client/link.hpp"
#include "tests/client/fake_node.hpp"
#include "tests/silent_listener.hpp"

using namespace hive;
using namespace std::chrono_literals;

namespace {

/// Remembers what the link says.
class link_news : public link_observer {
 public:
  void on_link_up(const link_session_ptr&) override { came(true); }
  void on_link_down(const error&) override { came(false); }
  /// False if it did not come within 20 s.
  bool wait(bool is_up) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return last_ == is_up; });
  }

 private:
  void came(bool is_up) {
    const std::lock_guard lock(mutex_);
    last_ = is_up;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<bool> last_;
};

}  // namespace

TEST_CASE("BASP waits for the handshake of a slow node, and not only until its next tick") {
  const test::silent_listener node;
  const auto begin = std::chrono::steady_clock::now();
  const auto news = std::make_shared<link_news>();
  hive::link one(runtime::instance(), config::endpoint{"127.0.0.1", node.port}, {});
  one.observe(news);
  REQUIRE(news->wait(false));
  CHECK(std::chrono::steady_clock::now() - begin > 1500ms);
}

TEST_CASE("of processes that are gone BASP keeps nothing") {
  test::fake_node node;
  auto& system = node.system();
  const auto basp = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  const auto kept = [&] {
    forget_gone_processes(system, basp);
    std::promise<std::size_t> count;
    system.middleman().backend().post([&] {
      auto* const broker = static_cast<caf::io::basp_broker*>(caf::actor_cast<caf::abstract_actor*>(basp));
      count.set_value(broker->spawn_servers.size());
    });
    return count.get_future().get();
  };
  {
    const auto news = std::make_shared<link_news>();
    hive::link one(runtime::instance(), *config::parse_endpoint(node.endpoint(), "endpoint"), {});
    one.observe(news);
    REQUIRE((one.current() != nullptr || news->wait(true)));
    CHECK(kept() == 1);
  }
  // It notices soon that the connection is gone.
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (kept() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  CHECK(kept() == 0);
}
