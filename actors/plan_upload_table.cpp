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
    if (part.continues_last_step() && (part.steps().empty() || target.request.document().steps().empty())) {
      return error{errc::invalid_argument, "there is no step to go on with", "continues_last_step"};
    }
    ++target.next_part;
    target.bytes += part.ByteSizeLong();
    auto& steps = *target.request.mutable_document()->mutable_steps();
    const auto step_count = static_cast<std::size_t>(steps.size() + part.steps_size()) -
                            static_cast<std::size_t>(part.continues_last_step());
    if (target.bytes > limits_.upload_bytes_max || step_count > limits_.steps_max) {
      const bool is_bytes = target.bytes > limits_.upload_bytes_max;
      uploads_.erase(entry);
      // Not resource_exhausted: it would be no smaller the next time.
      return error{errc::invalid_argument,
                   is_bytes ? "the plan is larger than " + std::to_string(limits_.upload_bytes_max) + " bytes"
                            : "the plan has more than " + std::to_string(limits_.steps_max) + " steps",
                   "steps"};
    }
    int first = 0;
    if (part.continues_last_step()) {
      auto& needs = *steps[steps.size() - 1].mutable_needs();
      needs.Reserve(needs.size() + part.steps(0).needs_size());
      for (auto& need : *part.mutable_steps(0)->mutable_needs()) *needs.Add() = std::move(need);
      first = 1;
    }
    for (int i = first; i < part.steps_size(); ++i) *steps.Add() = std::move(*part.mutable_steps(i));
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
