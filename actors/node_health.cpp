#include "actors/node_health.hpp"

#include <utility>

#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

namespace hive {
namespace {

constexpr std::chrono::milliseconds pulse_interval{1000};

using time_source = std::function<node_health::clock::time_point()>;
using answer_time = std::shared_ptr<std::atomic<node_health::clock::time_point>>;

struct pulse_state {
  pulse_state() = default;  // else it is an aggregate, and CAF makes `is_asking` of the pointer to the actor
  static inline const char* const name = "pulse";
  bool is_asking = false;
};

/// Asks once a second. It runs on the same threads as the actors that it stands for: if those are stuck, so is it.
caf::behavior pulse(caf::stateful_actor<pulse_state>* self, const node_actor& front, time_source now,
                    answer_time answered_at) {
  self->monitor(front);
  self->set_down_handler([self](const caf::down_msg&) { self->quit(); });
  self->send(self, caf::tick_atom::value);
  return {[self, front, now = std::move(now), answered_at = std::move(answered_at)](caf::tick_atom) {
    self->delayed_send(self, pulse_interval, caf::tick_atom::value);
    if (std::exchange(self->state.is_asking, true)) return;
    self->request(front, caf::infinite, v1::PingRequest{})
        .then(
            [self, now, answered_at](const v1::PingResponse&) {
              self->state.is_asking = false;
              *answered_at = now();
            },
            [self](const caf::error&) { self->state.is_asking = false; });
  }};
}

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

std::optional<std::string> health_problem(core::health_question question, const health_signs& signs) {
  if (signs.silence > silence_max) return "the node's actor has not answered for " + seconds_text(signs.silence);
  if (question == core::health_question::live) return std::nullopt;
  if (signs.stage == node_stage::starting) return "the node is starting";
  if (signs.stage == node_stage::stopping) return "the node is stopping";
  // First what is known for sure: a replicator that has given up does not report either.
  if (auto problem = core::health_problem(question, signs.status)) return problem;
  if (signs.report_age && *signs.report_age > report_age_max)
    return "replication has not reported for " + seconds_text(*signs.report_age);
  if (signs.write_age > write_age_max)
    return "a batch has been on its way to disk for " + seconds_text(signs.write_age);
  return std::nullopt;
}

node_health::node_health(service_context_ptr context, std::function<clock::time_point()> now)
    : context_(std::move(context)),
      now_(std::move(now)),
      answered_at_(std::make_shared<std::atomic<clock::time_point>>(now_())) {}

void node_health::watch(caf::actor_system& system, node_actor front) {
  system.spawn(pulse, std::move(front), now_, answered_at_);
}

std::optional<std::string> node_health::problem(core::health_question question) const {
  health_signs signs;
  signs.stage = context_->is_stopping ? node_stage::stopping : stage_.load();
  signs.silence = std::chrono::duration_cast<std::chrono::milliseconds>(now_() - answered_at_->load());
  if (context_->cluster) {
    signs.status = context_->cluster->status();
    if (const auto age = context_->probe != nullptr ? context_->probe->replication_age() : std::nullopt)
      signs.report_age = std::chrono::duration_cast<std::chrono::milliseconds>(*age);
  } else {
    signs.status.set_role("standalone");
    const auto since = context_->writing_since.load();
    if (since != clock::time_point{})
      signs.write_age = std::chrono::duration_cast<std::chrono::milliseconds>(now_() - since);
  }
  return health_problem(question, signs);
}

}  // namespace hive
