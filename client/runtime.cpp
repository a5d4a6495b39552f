#include "client/runtime.hpp"

#include <array>
#include <atomic>
#include <random>
#include <string_view>

#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>

namespace hive {

std::shared_ptr<runtime> runtime::instance() {
  // Never destroyed: not by one of its own threads, and not at exit either, when CAF's thread-local logger of the main
  // thread is gone already and would be released a second time.
  static const auto* const shared = new std::shared_ptr<runtime>(std::make_shared<runtime>());
  return *shared;
}

runtime::runtime() : config_(2), system_(config_), incarnation_(random_number()) {
  harden(system_);
  basp_ = system_.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  timers_ = std::make_unique<timer_queue>();
}

runtime::~runtime() {
  errands_.reset();
  timers_.reset();
  basp_ = nullptr;
}

timer_queue& runtime::errands() {
  std::call_once(errands_once_, [this] { errands_ = std::make_unique<timer_queue>(timer_queue::patience::much); });
  return *errands_;
}

std::uint64_t random_number() {
  thread_local std::mt19937_64 source = [] {
    std::random_device device;
    std::array<std::uint32_t, 8> seed{};
    for (auto& word : seed) word = device();
    std::seed_seq sequence(seed.begin(), seed.end());
    return std::mt19937_64(sequence);
  }();
  return source();
}

std::string unique_key() {
  static constexpr std::string_view digits = "0123456789abcdef";
  constexpr std::size_t random_digits = 20;
  constexpr std::size_t counter_digits = 12;
  static const std::string start = [] {
    std::string text;
    for (std::size_t i = 0; i < random_digits; ++i) text += digits[random_number() % digits.size()];
    return text;
  }();
  static std::atomic<std::uint64_t> count{0};
  std::string text = start;
  text.resize(random_digits + counter_digits);
  std::uint64_t left = count.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = text.size(); i > random_digits; left /= digits.size()) text[--i] = digits[left % digits.size()];
  return text;
}

}  // namespace hive
