#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/plan_validator.hpp"
#include "core/text_rules.hpp"

using namespace hive;
using namespace hive::core;

namespace {

v1::TaskSpec good_spec() {
  v1::TaskSpec spec;
  spec.set_type("echo");
  return spec;
}

void add_label(google::protobuf::RepeatedPtrField<v1::Label>& labels, const std::string& key,
               const std::string& value) {
  auto* label = labels.Add();
  label->set_key(key);
  label->set_value(value);
}

struct bad_spec {
  std::string field;
  std::string what;  // part of the message
  std::function<void(v1::TaskSpec&)> spoil;
};

const std::vector<bad_spec>& bad_specs() {
  static const std::vector<bad_spec> cases{
      {"type", "must not be empty", [](auto& s) { s.clear_type(); }},
      {"type", "129 bytes long; at most 128", [](auto& s) { s.set_type(std::string(129, 'x')); }},
      {"type", "control character", [](auto& s) { s.set_type("a\nb"); }},
      {"type", "UTF-8", [](auto& s) { s.set_type("a\xff"); }},
      {"title", "257 bytes long; at most 256", [](auto& s) { s.set_title(std::string(257, 'x')); }},
      {"title", "UTF-8", [](auto& s) { s.set_title("\xc0\x80"); }},
      {"payload", "at most 1048576", [](auto& s) { s.set_payload(std::string((1 << 20) + 1, 'x')); }},
      {"content_type", "at most 128", [](auto& s) { s.set_content_type(std::string(129, 'x')); }},
      {"content_type", "control character", [](auto& s) { s.set_content_type("text/plain\r"); }},
      {"idempotency_key", "at most 128", [](auto& s) { s.set_idempotency_key(std::string(129, 'x')); }},
      {"not_before_unix_ms", "is -1; must be 0 to", [](auto& s) { s.set_not_before_unix_ms(-1); }},
      {"not_before_unix_ms", "must be 0 to", [](auto& s) { s.set_not_before_unix_ms(INT64_MAX); }},
      {"plan_id", "set by the node", [](auto& s) { s.set_plan_id(1); }},
      {"step_index", "set by the node", [](auto& s) { s.set_step_index(1); }},
      {"required_capabilities", "at most 32 entries, got 33",
       [](auto& s) {
         for (int i = 0; i < 33; ++i) s.add_required_capabilities("c" + std::to_string(i));
       }},
      {"required_capabilities[1]", "must not be empty",
       [](auto& s) {
         s.add_required_capabilities("gpu");
         s.add_required_capabilities("");
       }},
      {"required_capabilities[0]", "at most 128", [](auto& s) { s.add_required_capabilities(std::string(129, 'x')); }},
      {"labels", "at most 32 labels, got 33",
       [](auto& s) {
         for (int i = 0; i < 33; ++i) add_label(*s.mutable_labels(), "k" + std::to_string(i), "v");
       }},
      {"labels[0].key", "must not be empty", [](auto& s) { add_label(*s.mutable_labels(), "", "v"); }},
      {"labels[0].value", "at most 256", [](auto& s) { add_label(*s.mutable_labels(), "k", std::string(257, 'x')); }},
      {"labels[1].key", "given twice",
       [](auto& s) {
         add_label(*s.mutable_labels(), "k", "1");
         add_label(*s.mutable_labels(), "k", "2");
       }},
      {"worker_selector[0].key", "at most 128",
       [](auto& s) { add_label(*s.mutable_worker_selector(), std::string(129, 'x'), "v"); }},
      {"retry.max_attempts", "is 1001; must be 1 to 1000", [](auto& s) { s.mutable_retry()->set_max_attempts(1001); }},
      {"retry.jitter_permille", "must be 0 to 1000", [](auto& s) { s.mutable_retry()->set_jitter_permille(1001); }},
      {"retry.backoff_multiplier_permille", "is 999; must be 1000 to 100000",
       [](auto& s) { s.mutable_retry()->set_backoff_multiplier_permille(999); }},
      {"retry.backoff_multiplier_permille", "must be 1000 to 100000",
       [](auto& s) { s.mutable_retry()->set_backoff_multiplier_permille(100'001); }},
      {"retry.backoff_initial_ms", "is -1", [](auto& s) { s.mutable_retry()->set_backoff_initial_ms(-1); }},
      {"retry.backoff_max_ms", "must be 0 to",
       [](auto& s) { s.mutable_retry()->set_backoff_max_ms(duration_ms_max + 1); }},
      {"retry.backoff_max_ms", "below backoff_initial_ms 2000",
       [](auto& s) {
         s.mutable_retry()->set_backoff_initial_ms(2'000);
         s.mutable_retry()->set_backoff_max_ms(1'000);
       }},
      {"timeouts.queue_ms", "is -5", [](auto& s) { s.mutable_timeouts()->set_queue_ms(-5); }},
      {"timeouts.run_ms", "must be 0 to", [](auto& s) { s.mutable_timeouts()->set_run_ms(duration_ms_max + 1); }},
      {"timeouts.total_ms", "is -1", [](auto& s) { s.mutable_timeouts()->set_total_ms(-1); }},
  };
  return cases;
}

}  // namespace

TEST_CASE("a malformed task spec is refused with the field's path") {
  for (const auto& bad : bad_specs()) {
    v1::TaskSpec spec = good_spec();
    bad.spoil(spec);
    const auto outcome = normalize_spec(spec, {}, "spec.");
    INFO("spec." << bad.field << ": " << bad.what);
    REQUIRE(!outcome);
    CHECK(outcome.failure().code == errc::invalid_argument);
    CHECK(outcome.failure().field == "spec." + bad.field);
    CHECK_THAT(outcome.failure().message, Catch::Contains(bad.what));
  }
}

TEST_CASE("a spec at every limit is accepted") {
  v1::TaskSpec spec;
  spec.set_type(std::string(128, 't'));
  spec.set_title(std::string(256, 't'));
  spec.set_payload(std::string(1 << 20, 'p'));
  spec.set_idempotency_key(std::string(128, 'k'));
  for (int i = 0; i < 32; ++i) {
    spec.add_required_capabilities(std::to_string(i));
    add_label(*spec.mutable_labels(), std::to_string(i), std::string(256, 'v'));
  }
  spec.mutable_retry()->set_max_attempts(1000);
  spec.mutable_timeouts()->set_total_ms(duration_ms_max);
  CHECK(normalize_spec(spec, {}, ""));
}

TEST_CASE("the stored form of a spec is sorted, without repetitions, and has its defaults written out") {
  v1::TaskSpec spec = good_spec();
  for (const char* name : {"gpu", "avx", "gpu"}) spec.add_required_capabilities(name);
  add_label(*spec.mutable_labels(), "b", "2");
  add_label(*spec.mutable_labels(), "a", "1");
  add_label(*spec.mutable_worker_selector(), "zone", "1");
  add_label(*spec.mutable_worker_selector(), "rack", "2");
  spec.mutable_timeouts();
  REQUIRE(normalize_spec(spec, {}, ""));
  REQUIRE(spec.required_capabilities_size() == 2);
  CHECK(spec.required_capabilities(0) == "avx");
  CHECK(spec.required_capabilities(1) == "gpu");
  CHECK(spec.labels(0).key() == "a");
  CHECK(spec.worker_selector(0).key() == "rack");
  CHECK(spec.content_type() == "application/json");
  CHECK(spec.retry().max_attempts() == 3);
  CHECK(spec.retry().backoff_initial_ms() == 1'000);
  CHECK(spec.retry().backoff_multiplier_permille() == 2'000);
  CHECK(spec.retry().backoff_max_ms() == 60'000);
  CHECK(!spec.has_timeouts());

  SECTION("and normalizing it again changes nothing") {
    const std::string before = spec.SerializeAsString();
    REQUIRE(normalize_spec(spec, {}, ""));
    CHECK(spec.SerializeAsString() == before);
  }
}

TEST_CASE("a backoff default never contradicts the bound that was given") {
  v1::TaskSpec slow = good_spec();
  slow.mutable_retry()->set_backoff_initial_ms(120'000);
  REQUIRE(normalize_spec(slow, {}, ""));
  CHECK(slow.retry().backoff_max_ms() == 120'000);
  v1::TaskSpec fast = good_spec();
  fast.mutable_retry()->set_backoff_max_ms(50);
  REQUIRE(normalize_spec(fast, {}, ""));
  CHECK(fast.retry().backoff_initial_ms() == 50);
}

TEST_CASE("a malformed worker is refused with the field's path") {
  struct bad_worker {
    std::string field;
    std::function<void(v1::WorkerSpec&)> spoil;
  };
  const std::vector<bad_worker> cases{
      {"spec.name", [](auto& w) { w.clear_name(); }},
      {"spec.name", [](auto& w) { w.set_name(std::string(129, 'x')); }},
      {"spec.name", [](auto& w) { w.set_name("a\tb"); }},
      {"spec.role", [](auto& w) { w.set_role(std::string(65, 'x')); }},
      {"spec.slots", [](auto& w) { w.set_slots(4097); }},
      {"spec.capabilities",
       [](auto& w) {
         for (int i = 0; i < 257; ++i) w.add_capabilities(std::to_string(i));
       }},
      {"spec.capabilities[0]", [](auto& w) { w.add_capabilities(""); }},
      {"spec.task_types[0]", [](auto& w) { w.add_task_types("\xed\xa0\x80"); }},
      {"spec.labels",
       [](auto& w) {
         for (int i = 0; i < 65; ++i) add_label(*w.mutable_labels(), std::to_string(i), "v");
       }},
      {"spec.labels[1].key",
       [](auto& w) {
         add_label(*w.mutable_labels(), "zone", "1");
         add_label(*w.mutable_labels(), "zone", "1");
       }},
  };
  for (const auto& bad : cases) {
    v1::WorkerSpec worker;
    worker.set_name("w1");
    bad.spoil(worker);
    const auto outcome = normalize_worker(worker, {});
    INFO(bad.field);
    REQUIRE(!outcome);
    CHECK(outcome.failure().code == errc::invalid_argument);
    CHECK(outcome.failure().field == bad.field);
  }
}

TEST_CASE("a worker's sets are stored sorted and without repetitions") {
  v1::WorkerSpec worker;
  worker.set_name("w1");
  for (const char* name : {"z", "a", "z"}) {
    worker.add_capabilities(name);
    worker.add_task_types(name);
  }
  REQUIRE(normalize_worker(worker, {}));
  CHECK(worker.capabilities_size() == 2);
  CHECK(worker.capabilities(0) == "a");
  CHECK(worker.task_types_size() == 2);
}

TEST_CASE("UTF-8 is told from bytes that only look like it") {
  for (const char* good :
       {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x9d", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    CHECK(!is_utf8(bad));
  }
}
