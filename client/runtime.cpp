#include "client/runtime.hpp"

#include <array>
#include <cstdio>
#include <random>

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
  timers_.reset();
  basp_ = nullptr;
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

std::string random_key() {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(random_number()),
                static_cast<unsigned long long>(random_number()));
  return text.data();
}

}  // namespace hive
