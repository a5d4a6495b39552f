#include "core/signature_table.hpp"

#include <algorithm>

#include "core/keys.hpp"

namespace hive::core {
namespace {

// Length first, so that no text can imitate another field.
void add_text(std::string& to, const std::string& text) {
  to += key{}.u32(static_cast<std::uint32_t>(text.size())).view();
  to += text;
}

template <class Source>
std::string canonical_of(const Source& source) {
  std::string bytes;
  bytes.reserve(64);
  add_text(bytes, source.type());
  bytes += key{}.u32(static_cast<std::uint32_t>(source.required_capabilities_size())).view();
  for (const auto& capability : source.required_capabilities()) add_text(bytes, capability);
  for (const auto& label : source.worker_selector()) {
    add_text(bytes, label.key());
    add_text(bytes, label.value());
  }
  return bytes;
}

template <class List>
bool contains(const List& list, const std::string& wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

bool fits(const v1::Signature& signature, const v1::WorkerSpec& worker) {
  if (worker.task_types_size() != 0 && !contains(worker.task_types(), signature.type())) return false;
  for (const auto& capability : signature.required_capabilities()) {
    if (!contains(worker.capabilities(), capability)) return false;
  }
  for (const auto& wanted : signature.worker_selector()) {
    const auto is_same = [&](const v1::Label& label) {
      return label.key() == wanted.key() && label.value() == wanted.value();
    };
    if (std::none_of(worker.labels().begin(), worker.labels().end(), is_same)) return false;
  }
  return true;
}

std::string signature_table::canonical(const v1::TaskSpec& spec) { return canonical_of(spec); }

std::optional<std::uint32_t> signature_table::find(const std::string& canonical) const {
  const auto found = ids_.find(canonical);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::uint32_t signature_table::intern(const v1::TaskSpec& spec, counter_table& counters, table_transaction& tables,
                                      bool& is_new) {
  std::string bytes = canonical(spec);
  is_new = false;
  if (const auto known = find(bytes)) return *known;
  is_new = true;
  v1::Signature record;
  record.set_id(size() + 1);
  record.set_type(spec.type());
  *record.mutable_required_capabilities() = spec.required_capabilities();
  *record.mutable_worker_selector() = spec.worker_selector();
  tables.put(table::signature, key{}.u32(record.id()), record.SerializeAsString());
  return add(std::move(record), std::move(bytes), counters);
}

const signature_table::entry& signature_table::at(std::uint32_t id) const {
  if (id == 0 || id > entries_.size()) {
    throw table_error(errc::data_loss, "signature " + std::to_string(id) + " does not exist");
  }
  return entries_[id - 1];
}

void signature_table::clear() {
  entries_.clear();
  ids_.clear();
}

void signature_table::load(const table_reader& tables, counter_table& counters) {
  clear();
  tables.scan(table::signature, {}, [&](std::string_view, std::string_view value) {
    v1::Signature record;
    if (!record.ParseFromArray(value.data(), static_cast<int>(value.size())) || record.id() != size() + 1) {
      throw table_error(errc::data_loss, "signature " + std::to_string(size() + 1) + " cannot be read");
    }
    std::string bytes = canonical_of(record);
    add(std::move(record), std::move(bytes), counters);
    return true;
  });
}

std::uint32_t signature_table::add(v1::Signature record, std::string canonical, counter_table& counters) {
  const std::uint32_t id = record.id();
  entry& added = entries_.emplace_back();
  added.ready = &counters.at(key{}.bytes("r").u32(id));
  for (std::size_t state = 0; state < task_state_count; ++state) {
    added.by_state[state] = &counters.at(key{}.bytes("t").u8(static_cast<std::uint8_t>(state)).bytes(record.type()));
  }
  added.record = std::move(record);
  ids_.emplace(std::move(canonical), id);
  return id;
}

}  // namespace hive::core
