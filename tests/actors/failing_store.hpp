#pragma once

#include <functional>
#include <memory>

#include "persistence/store.hpp"

namespace hive::test {

/// Another store, with a test between: while `fails`, nothing can be read or written.
class failing_store final : public persistence::store {
 public:
  explicit failing_store(persistence::store& inner) : inner_(inner) {}

  std::unique_ptr<persistence::read_snapshot> read() override {
    refuse_if_failing();
    return inner_.read();
  }
  std::unique_ptr<persistence::write_transaction> write() override {
    refuse_if_failing();
    return inner_.write();
  }
  [[nodiscard]] persistence::storage_figures figures() const override { return inner_.figures(); }
  [[nodiscard]] bool is_nearly_full() const override { return inner_.is_nearly_full(); }
  result<void> copy_to(const std::filesystem::path& target) override { return inner_.copy_to(target); }
  result<void> replace(const std::filesystem::path& folder) override {
    if (before_replace) before_replace(folder);
    return inner_.replace(folder);
  }

  bool fails = false;
  std::function<void(const std::filesystem::path& folder)> before_replace;

 private:
  void refuse_if_failing() const {
    if (fails) throw core::table_error{errc::unavailable, "the disk does not answer"};
  }

  persistence::store& inner_;
};

}  // namespace hive::test
