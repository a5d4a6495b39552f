#include "core/worker_fit.hpp"

#include <algorithm>
#include <set>

#include "core/record_reader.hpp"

namespace hive::core::views {
namespace {

constexpr std::size_t names_max = 5;

std::string type_part(const std::string& type) { return "a handler for the type '" + type + "'"; }
std::string capability_part(const std::string& capability) { return "capability '" + capability + "'"; }
std::string label_part(const v1::Label& label) { return "label '" + label.key() + "=" + label.value() + "'"; }

std::vector<std::string> parts_of(const v1::Signature& signature) {
  std::vector<std::string> parts{type_part(signature.type())};
  for (const auto& capability : signature.required_capabilities()) parts.push_back(capability_part(capability));
  for (const auto& label : signature.worker_selector()) parts.push_back(label_part(label));
  return parts;
}

void count_fitting(worker_fit& fit, const v1::Worker& worker, const worker_liveness& live) {
  std::string why;
  switch (worker.state()) {
    case v1::WORKER_STATE_ACTIVE:
      if (!live.is_connected) {
        ++fit.disconnected;
        why = "not connected";
      } else if (worker.spec().slots() == 0) {
        ++fit.without_slots;
        why = "has no slots";
      } else {
        ++fit.ready;
        fit.slots += worker.spec().slots();
        fit.slots_free += std::min(live.slots_free, worker.spec().slots());
      }
      break;
    case v1::WORKER_STATE_DRAINING:
      ++fit.draining;
      why = "draining";
      break;
    case v1::WORKER_STATE_LOST:
      ++fit.lost;
      why = "lost";
      break;
    default:
      ++fit.gone;
      break;
  }
  if (!why.empty() && fit.unavailable_names.size() < names_max) {
    fit.unavailable_names.push_back("'" + worker.spec().name() + "' (" + why + ")");
  }
}

}  // namespace

std::vector<std::string> lacks(const v1::Signature& signature, const v1::WorkerSpec& worker) {
  std::vector<std::string> missing;
  const auto& types = worker.task_types();
  if (!types.empty() && std::find(types.begin(), types.end(), signature.type()) == types.end()) {
    missing.push_back(type_part(signature.type()));
  }
  for (const auto& capability : signature.required_capabilities()) {
    const auto& offered = worker.capabilities();
    if (std::find(offered.begin(), offered.end(), capability) == offered.end()) {
      missing.push_back(capability_part(capability));
    }
  }
  for (const auto& wanted : signature.worker_selector()) {
    const auto& labels = worker.labels();
    const bool is_there = std::any_of(labels.begin(), labels.end(), [&](const v1::Label& label) {
      return label.key() == wanted.key() && label.value() == wanted.value();
    });
    if (!is_there) missing.push_back(label_part(wanted));
  }
  return missing;
}

worker_fit assess_workers(const table_reader& tables, const v1::Signature& signature,
                          const std::function<worker_liveness(worker_id)>& liveness) {
  worker_fit fit;
  const auto parts = parts_of(signature);
  std::set<std::string> unseen{parts.begin(), parts.end()};
  tables.scan(table::worker, "", [&](std::string_view, std::string_view value) {
    v1::Worker worker;
    if (!worker.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      throw table_error(errc::data_loss, "table worker: a record cannot be parsed");
    }
    const bool is_present = worker.state() == v1::WORKER_STATE_ACTIVE || worker.state() == v1::WORKER_STATE_DRAINING;
    auto missing = lacks(signature, worker.spec());
    if (is_present) {
      ++fit.present;
      const std::set<std::string> missing_here{missing.begin(), missing.end()};
      for (auto part = unseen.begin(); part != unseen.end();) {
        part = missing_here.count(*part) == 0 ? unseen.erase(part) : std::next(part);
      }
    }
    if (missing.empty()) {
      count_fitting(fit, worker, liveness ? liveness(worker_id{worker.id()}) : worker_liveness{});
    } else if (is_present && (fit.closest_name.empty() || missing.size() < fit.closest_lacks.size())) {
      fit.closest_name = worker.spec().name();
      fit.closest_lacks = std::move(missing);
    }
    return true;
  });
  for (const auto& part : parts) {
    if (unseen.count(part) != 0) fit.missing_everywhere.push_back(part);
  }
  return fit;
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

}  // namespace hive::core::views
