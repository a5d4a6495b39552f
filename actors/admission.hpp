#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace hive {

/// Counts the commands and bytes that wait for the ledger, over all facades. CAF mailboxes have no bound, so work
/// that would exceed the limits is refused before it is queued. Thread-safe.
class admission : public std::enable_shared_from_this<admission> {
 public:
  /// Holds its share until it is destroyed. Movable; empty if default constructed.
  class ticket {
   public:
    ticket() = default;
    ticket(ticket&& other) noexcept { swap(other); }
    ticket& operator=(ticket&& other) noexcept {
      ticket moved(std::move(other));
      swap(moved);
      return *this;
    }
    ~ticket() {
      if (owner_) owner_->release(commands_, bytes_);
    }
    [[nodiscard]] bool is_admitted() const { return owner_ != nullptr; }

   private:
    friend class admission;
    ticket(std::shared_ptr<admission> owner, std::uint64_t commands, std::uint64_t bytes)
        : owner_(std::move(owner)), commands_(commands), bytes_(bytes) {}
    void swap(ticket& other) {
      std::swap(owner_, other.owner_);
      std::swap(commands_, other.commands_);
      std::swap(bytes_, other.bytes_);
    }
    std::shared_ptr<admission> owner_;
    std::uint64_t commands_ = 0;
    std::uint64_t bytes_ = 0;
  };

  /// What ends work may go this far over the limits: a full node must be able to get rid of its tasks.
  static constexpr std::uint64_t ending_work_factor = 2;

  admission(std::uint64_t commands_max, std::uint64_t bytes_max) : commands_max_(commands_max), bytes_max_(bytes_max) {}

  /// An empty ticket if the share would exceed a limit. Work larger than a limit passes while nothing else waits.
  [[nodiscard]] ticket admit(std::uint64_t commands, std::uint64_t bytes, bool is_ending_work = false) {
    const std::uint64_t factor = is_ending_work ? ending_work_factor : 1;
    const std::uint64_t commands_before = commands_.fetch_add(commands);
    const std::uint64_t bytes_before = bytes_.fetch_add(bytes);
    const bool fits =
        commands_before + commands <= commands_max_ * factor && bytes_before + bytes <= bytes_max_ * factor;
    if (fits || commands_before == 0) return {shared_from_this(), commands, bytes};
    release(commands, bytes);
    return {};
  }

  [[nodiscard]] std::uint64_t commands() const { return commands_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  void release(std::uint64_t commands, std::uint64_t bytes) {
    commands_.fetch_sub(commands);
    bytes_.fetch_sub(bytes);
  }

  const std::uint64_t commands_max_;
  const std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> commands_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace hive
