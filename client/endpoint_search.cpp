#include "client/endpoint_search.hpp"

#include <algorithm>

namespace hive {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds pause_min{50};
constexpr milliseconds pause_max{800};
/// A session that lasted so long was a success.
constexpr milliseconds success_time{1'000};
/// A node may tell of any number of members.
constexpr std::size_t learned_max = 64;
/// After so many rounds it may be the haste that fails.
constexpr int hasty_rounds = 3;

}  // namespace

endpoint_search::endpoint_search(std::vector<config::endpoint> configured)
    : configured_(configured.size()), known_(std::move(configured)), pause_(pause_min) {}

std::optional<std::size_t> endpoint_search::find_untried() const {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const std::size_t index = (position_ + i) % known_.size();
    if (!tried_.contains(config::to_string(known_[index]))) return index;
  }
  return {};
}

void endpoint_search::note(const config::endpoint& which, outcome what) { tried_[config::to_string(which)] = what; }

milliseconds endpoint_search::take_pause() {
  const auto pause = pause_;
  pause_ = std::min(pause_ * 2, pause_max);
  return pause;
}

endpoint_search::step endpoint_search::next() {
  step chosen;
  if (named_) {
    chosen.to = std::move(*named_);
    named_.reset();
    if (tried_.contains(config::to_string(chosen.to))) chosen.pause = take_pause();
  } else {
    auto found = find_untried();
    if (!found) {
      tried_.clear();
      ++round_;
      chosen.pause = take_pause();
      found = position_ % known_.size();
    }
    chosen.to = known_[*found];
    position_ = *found + 1;
  }
  chosen.has_alternatives = round_ <= hasty_rounds && known_.size() > 1;
  return chosen;
}

void endpoint_search::learn(const v1::Leadership& told) {
  if (told.endpoints().empty()) return;
  known_.resize(configured_);
  for (const auto& text : told.endpoints()) {
    if (known_.size() >= configured_ + learned_max) break;
    auto address = config::parse_endpoint(text, "endpoints");
    if (!address || address->port == 0) continue;
    const std::string canonical = config::to_string(*address);
    const auto is_same = [&](const config::endpoint& one) { return config::to_string(one) == canonical; };
    if (std::none_of(known_.begin(), known_.end(), is_same)) known_.push_back(std::move(*address));
  }
}

void endpoint_search::on_unreachable(const config::endpoint& which, bool is_refused) {
  note(which, is_refused ? outcome::refused : outcome::unreachable);
}

bool endpoint_search::on_follower(const config::endpoint& which, const std::string& leader, bool is_news) {
  note(which, outcome::denied);
  if (leader.empty() || leader == config::to_string(which)) return false;
  auto address = config::parse_endpoint(leader, "leader");
  if (!address || address->port == 0) return false;
  if (is_news) tried_.erase(config::to_string(*address));
  const auto before = tried_.find(config::to_string(*address));
  const bool is_in_vain =
      before != tried_.end() && (before->second == outcome::unreachable || before->second == outcome::refused);
  if (is_in_vain) return false;
  named_ = std::move(*address);
  return true;
}

void endpoint_search::on_session_over(const config::endpoint& which, milliseconds lasted) {
  if (lasted >= success_time) pause_ = pause_min;
  tried_.clear();
  round_ = 1;
  note(which, outcome::was_session);
}

bool endpoint_search::is_refused_by_all() const {
  return !find_untried() &&
         std::all_of(tried_.begin(), tried_.end(), [](const auto& one) { return one.second == outcome::refused; });
}

}  // namespace hive
