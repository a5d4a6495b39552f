#include "actors/plan_upload_table.hpp"

#include <string>

namespace hive {

result<std::optional<v1::CreatePlanRequest>> plan_upload_table::add(v1::UploadPlanPartRequest&& part, time_point now) {
  expire(now);
  if (part.upload_id() == 0) return error{errc::invalid_argument, "must be a random number, not 0", "upload_id"};
  if (part.part() == 0) {
    uploads_.erase(part.upload_id());
    if (uploads_.size() >= limits_.uploads_max) {
      return error{errc::resource_exhausted,
                   "this node takes " + std::to_string(limits_.uploads_max) + " plan uploads at a time; try again", ""};
    }
    uploads_[part.upload_id()].request = std::move(*part.mutable_head());
    uploads_[part.upload_id()].request.mutable_document()->clear_steps();
  }
  const auto entry = uploads_.find(part.upload_id());
  if (entry == uploads_.end()) {
    return error{errc::failed_precondition, "no such upload (it expired, or the node was restarted): start with part 0",
                 "upload_id"};
  }
  auto& target = entry->second;
  if (part.part() > target.next_part) {
    return error{errc::failed_precondition,
                 "part " + std::to_string(part.part()) + " came before part " + std::to_string(target.next_part),
                 "part"};
  }
  target.touched = now;
  if (part.part() == target.next_part) {
    ++target.next_part;
    target.bytes += part.ByteSizeLong();
    auto& steps = *target.request.mutable_document()->mutable_steps();
    const auto step_count = static_cast<std::size_t>(steps.size()) + static_cast<std::size_t>(part.steps_size());
    if (target.bytes > limits_.upload_bytes_max || step_count > limits_.steps_max) {
      const bool is_bytes = target.bytes > limits_.upload_bytes_max;
      uploads_.erase(entry);
      return error{errc::resource_exhausted,
                   is_bytes ? "the plan is larger than " + std::to_string(limits_.upload_bytes_max) + " bytes"
                            : "the plan has more than " + std::to_string(limits_.steps_max) + " steps",
                   "steps"};
    }
    for (auto& step : *part.mutable_steps()) *steps.Add() = std::move(step);
  }
  if (!part.is_last()) return std::optional<v1::CreatePlanRequest>{};
  std::optional<v1::CreatePlanRequest> whole{std::move(target.request)};
  uploads_.erase(entry);
  return whole;
}

std::uint32_t plan_upload_table::next_part(std::uint64_t upload_id) const {
  const auto entry = uploads_.find(upload_id);
  return entry == uploads_.end() ? 0 : entry->second.next_part;
}

void plan_upload_table::expire(time_point now) {
  for (auto entry = uploads_.begin(); entry != uploads_.end();) {
    entry = now - entry->second.touched > limits_.silence_max ? uploads_.erase(entry) : std::next(entry);
  }
}

}  // namespace hive
