#include "actors/copy_keeper.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include <caf/allowed_unsafe_message_type.hpp>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"

namespace hive {

/// A finished copy; its folder goes with it. Reading needs no lock: the file never changes.
class copy_file {
 public:
  /// Takes the folder over, also if that fails.
  static result<std::shared_ptr<copy_file>> open(std::filesystem::path folder) {
    std::shared_ptr<copy_file> made(new copy_file(std::move(folder)));
    const auto path = made->folder_ / "data.mdb";
    made->descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const off_t size = made->descriptor_ < 0 ? -1 : ::lseek(made->descriptor_, 0, SEEK_END);
    if (size < 0) return error{errc::internal, "cannot open " + path.string() + ": " + std::strerror(errno), {}};
    made->bytes_ = static_cast<std::uint64_t>(size);
    return made;
  }
  ~copy_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  copy_file(const copy_file&) = delete;
  copy_file& operator=(const copy_file&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// The whole range, which must lie within the file.
  [[nodiscard]] result<std::string> read(std::uint64_t offset, std::size_t size) const {
    std::string data(size, '\0');
    std::size_t done = 0;
    while (done < size) {
      const auto got = ::pread(descriptor_, data.data() + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        return error{errc::internal,
                     "cannot read the copy in " + folder_.string() + ": " +
                         (got < 0 ? std::strerror(errno) : "it has become shorter"),
                     {}};
      done += static_cast<std::size_t>(got);
    }
    return data;
  }

 private:
  explicit copy_file(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
};

namespace {

struct make_copy {
  std::filesystem::path folder;
};
using copy_file_ptr = std::shared_ptr<copy_file>;

}  // namespace
}  // namespace hive

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::make_copy)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::copy_file_ptr)

namespace hive {
namespace {

constexpr const char* log_component = "persistence";
constexpr auto tick_interval = std::chrono::seconds(10);
/// What a copy must leave of the disk: the store itself grows meanwhile.
constexpr std::uint64_t disk_reserve_bytes = 64ULL << 20;

using copier_actor = caf::typed_actor<caf::replies_to<make_copy>::with<copy_file_ptr>>;

result<copy_file_ptr> copy_store(const service_context& context, const std::filesystem::path& folder) {
  if (context.is_stopping) return node_is_stopping();
  std::error_code unknown;
  const std::filesystem::path disk = context.config.node.data_dir;
  const auto space = std::filesystem::space(disk, unknown);
  const auto needed = context.store->figures().used_bytes + disk_reserve_bytes;
  if (!unknown && space.available < needed) {
    return error{errc::resource_exhausted,
                 "a copy needs " + std::to_string(needed) + " bytes of disk in " + disk.string() + ", and there are " +
                     std::to_string(space.available),
                 {}};
  }
  if (auto copied = context.store->copy_to(folder); !copied) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return copied.failure();
  }
  return copy_file::open(folder);
}

/// Makes one copy and ends.
copier_actor::behavior_type copier(copier_actor::pointer self, service_context_ptr context) {
  return {guarded(self, [self, context = std::move(context)](const make_copy& order) -> caf::result<copy_file_ptr> {
    self->quit();
    return to_caf(copy_store(*context, order.folder));
  })};
}

}  // namespace

std::size_t copy_keeper_state::files() const {
  std::set<const copy_file*> distinct;
  for (const auto& [id, one] : holders) distinct.insert(one.file.get());
  return distinct.size() + (is_copying ? 1 : 0) + (waiting.empty() ? 0 : 1);
}

caf::result<copy_info> copy_keeper_state::on_open() {
  if (context->is_stopping) return refuse(*context, name, node_is_stopping());
  if (holders.size() + waiting.size() + served.size() >= copy_holders_max ||
      (waiting.empty() && files() >= copies_max)) {
    return refuse(*context, name,
                  {errc::resource_exhausted,
                   "there are " + std::to_string(files()) + " copies of the state already: try again in a while",
                   {}});
  }
  waiting.push_back(self->make_response_promise<copy_info>());
  auto answer = waiting.back();
  if (!is_copying) start();
  return answer;
}

void copy_keeper_state::start() {
  is_copying = true;
  served = std::exchange(waiting, {});
  const auto target = folder / std::to_string(next_folder++);
  const auto worker = is_threaded ? self->spawn<caf::detached>(copier, context) : self->spawn(copier, context);
  self->request(worker, caf::infinite, make_copy{target})
      .then([this](const copy_file_ptr& file) { on_made(std::exchange(served, {}), file); },
            [this](const caf::error& failure) { on_failed(std::exchange(served, {}), failure); });
}

void copy_keeper_state::on_made(std::vector<promise> openers, const std::shared_ptr<copy_file>& file) {
  is_copying = false;
  config::logger(log_component)->debug("copied bytes={} for={}", file->bytes(), openers.size());
  for (auto& opener : openers) {
    const std::uint64_t id = next_id++;
    holders[id] = {file, self->clock().now()};
    opener.deliver(copy_info{id, file->bytes()});
  }
  if (!is_ticking) self->delayed_send(self, tick_interval, caf::tick_atom::value);
  is_ticking = true;
  if (!waiting.empty()) start();
}

void copy_keeper_state::on_failed(std::vector<promise> openers, const caf::error& failure) {
  is_copying = false;
  config::logger(log_component)->warn("cannot copy the store: {}", to_string(to_error(failure)));
  for (auto& opener : openers) opener.deliver(failure);
  if (!waiting.empty()) start();
}

caf::result<copy_bytes> copy_keeper_state::on_read(const read_copy& request) {
  const auto found = holders.find(request.id);
  if (found == holders.end()) {
    return make_error({errc::not_found,
                       "there is no copy " + std::to_string(request.id) + ": it was dropped, not read for " +
                           std::to_string(copy_idle_max.count()) + " minutes, or the node was started anew",
                       {}});
  }
  found->second.read_at = self->clock().now();
  const auto& file = *found->second.file;
  if (request.offset > file.bytes()) {
    return make_error({errc::invalid_argument,
                       "offset " + std::to_string(request.offset) + " is beyond the copy's " +
                           std::to_string(file.bytes()) + " bytes",
                       "offset"});
  }
  const std::size_t wanted = request.bytes_max == 0 ? copy_bytes_max : std::min(request.bytes_max, copy_bytes_max);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, file.bytes() - request.offset));
  auto data = file.read(request.offset, size);
  if (!data) return make_error(data.failure());
  return copy_bytes{std::move(*data), request.offset + size == file.bytes()};
}

void copy_keeper_state::on_drop(drop_copy request) { holders.erase(request.id); }

void copy_keeper_state::on_tick() {
  const auto oldest = self->clock().now() - copy_idle_max;
  std::erase_if(holders, [oldest](const auto& entry) { return entry.second.read_at <= oldest; });
  is_ticking = !holders.empty();
  if (is_ticking) self->delayed_send(self, tick_interval, caf::tick_atom::value);
}

void copy_keeper_state::on_exit(const caf::exit_msg& message) {
  for (auto* openers : {&served, &waiting}) {
    for (auto& opener : *openers) opener.deliver(make_error(node_is_stopping()));
    openers->clear();
  }
  holders.clear();
  context->store->stop_copies();
  self->quit(message.reason);
}

namespace {

copy_keeper_actor::behavior_type copy_keeper(copy_keeper_actor::stateful_pointer<copy_keeper_state> self,
                                             service_context_ptr context, bool is_threaded) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.folder = std::filesystem::path(state.context->config.node.data_dir) / "copies";
  state.is_threaded = is_threaded;
  // An id of another node, or of an earlier start of this one, must not name another copy here.
  state.next_id = state.context->incarnation + 1;
  std::error_code ignored;
  std::filesystem::remove_all(state.folder, ignored);
  self->set_exit_handler([&state](const caf::exit_msg& message) { state.on_exit(message); });
  return {
      guarded(self, [&state](open_copy) { return state.on_open(); }),
      guarded(self, [&state](const read_copy& request) { return state.on_read(request); }),
      guarded(self, [&state](drop_copy request) { state.on_drop(request); }),
      guarded(self, [&state](caf::tick_atom) { state.on_tick(); }),
  };
}

}  // namespace

copy_keeper_actor spawn_copy_keeper(caf::actor_system& system, service_context_ptr context, bool is_threaded) {
  return system.spawn(copy_keeper, std::move(context), is_threaded);
}

}  // namespace hive
