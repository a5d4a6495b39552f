#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "base/result.hpp"
#include "hive/v1/api.pb.h"

namespace hive {

/// Plans that arrive in parts, kept in memory until the last part: nothing of a plan is stored before all of
/// it is here. Bounded by number and bytes; an upload whose client went silent is dropped. No actor and no clock.
/// Not thread-safe.
class plan_upload_table {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  struct options {
    std::uint32_t uploads_max = 4;
    std::uint64_t upload_bytes_max = 1ULL << 30;
    std::uint32_t steps_max = 1'000'000;
    std::chrono::milliseconds silence_max{60'000};
  };

  explicit plan_upload_table(options limits) : limits_(limits) {}

  /// Takes a part. Part 0 opens the upload (again, if the client starts over); a repeated part is taken once.
  /// Returns the whole request with its last part, else nothing. failed_precondition: a part is missing;
  /// resource_exhausted: too many uploads; invalid_argument: too many bytes or steps (the upload is dropped).
  result<std::optional<v1::CreatePlanRequest>> add(v1::UploadPlanPartRequest&& part, time_point now);

  /// The part that an upload waits for; 0 for an unknown one.
  [[nodiscard]] std::uint32_t next_part(std::uint64_t upload_id) const;

  /// Drops uploads that got no part for too long.
  void expire(time_point now);

  [[nodiscard]] std::size_t size() const { return uploads_.size(); }

 private:
  struct upload {
    v1::CreatePlanRequest request;
    std::uint32_t next_part = 0;
    std::uint64_t bytes = 0;
    time_point touched;
  };

  options limits_;
  std::map<std::uint64_t, upload> uploads_;
};

}  // namespace hive
