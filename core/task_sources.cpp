#include "core/task_sources.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include "core/keys.hpp"

namespace hive::core::views {
namespace {

constexpr std::size_t chunk_entries = 128;
// Queued or held tasks up to this number are collected and sorted for a list by id.
constexpr std::uint64_t collected_max = 30'000;

// Keys of one table that begin with `prefix` and a task id, in id order; read in chunks, so that no scan is open
// between two calls.
class id_range final : public task_source {
 public:
  id_range(const table_reader& tables, table where, std::string prefix, std::uint64_t first, std::uint64_t last,
           bool newest_first)
      : tables_(tables),
        where_(where),
        prefix_(std::move(prefix)),
        first_(first),
        last_(last),
        newest_first_(newest_first),
        is_open_(first <= last) {}

  std::optional<page_position> next() override {
    if (position_ == ids_.size() && is_open_) read_chunk();
    if (position_ == ids_.size()) return std::nullopt;
    return page_position{0, ids_[position_++]};
  }

 private:
  [[nodiscard]] std::string key_of(std::uint64_t id) const { return prefix_ + std::string{key{}.u64(id).view()}; }

  void read_chunk() {
    ids_.clear();
    position_ = 0;
    const auto visit = [this](std::string_view entry, std::string_view) {
      if (entry.substr(0, prefix_.size()) != prefix_) return false;
      const auto id = read_u64(entry, prefix_.size());
      if (id < first_ || id > last_) return false;
      ids_.push_back(id);
      return ids_.size() < chunk_entries;
    };
    if (newest_first_) {
      tables_.scan_back(where_, key_of(last_) + '\0', visit);
    } else {
      tables_.scan(where_, key_of(first_), visit);
    }
    is_open_ = ids_.size() == chunk_entries;
    if (!is_open_) return;
    // The range shrinks to what has not been read.
    is_open_ = newest_first_ ? ids_.back() > first_ : ids_.back() < last_;
    if (newest_first_) {
      last_ = ids_.back() - 1;
    } else {
      first_ = ids_.back() + 1;
    }
  }

  const table_reader& tables_;
  table where_;
  std::string prefix_;
  std::uint64_t first_;
  std::uint64_t last_;
  bool newest_first_;
  bool is_open_;
  std::vector<std::uint64_t> ids_;
  std::size_t position_ = 0;
};

// Ids that were collected from an index with another order.
class sorted_ids final : public task_source {
 public:
  sorted_ids(std::vector<std::uint64_t> ids, bool newest_first, std::uint64_t entries_read)
      : ids_(std::move(ids)), entries_read_(entries_read) {
    std::sort(ids_.begin(), ids_.end());
    if (newest_first) std::reverse(ids_.begin(), ids_.end());
  }

  std::optional<page_position> next() override {
    if (position_ == ids_.size()) return std::nullopt;
    return page_position{0, ids_[position_++]};
  }
  [[nodiscard]] std::uint64_t entries_read() const override { return entries_read_; }

 private:
  std::vector<std::uint64_t> ids_;
  std::size_t position_ = 0;
  std::uint64_t entries_read_;
};

// Several sources in one order; the smallest head goes first.
class merged final : public task_source {
 public:
  merged(std::vector<std::unique_ptr<task_source>> parts, bool newest_first) : newest_first_(newest_first) {
    for (auto& part : parts) {
      entries_read_ += part->entries_read();
      add(std::move(part));
    }
  }

  std::optional<page_position> next() override {
    if (heads_.empty()) return std::nullopt;
    std::pop_heap(heads_.begin(), heads_.end(), std::cref(*this));
    auto head = std::move(heads_.back());
    heads_.pop_back();
    const auto position = head.position;
    add(std::move(head.source));
    return position;
  }
  [[nodiscard]] std::uint64_t entries_read() const override { return entries_read_; }

 private:
  struct source_head {
    page_position position;
    std::unique_ptr<task_source> source;
  };

 public:
  // The heap's order: true if `left` comes later in the list.
  bool operator()(const source_head& left, const source_head& right) const {
    const auto rank = [](const page_position& at) { return std::pair{at.inverted_priority, at.task}; };
    return newest_first_ ? rank(left.position) < rank(right.position) : rank(left.position) > rank(right.position);
  }

 private:
  void add(std::unique_ptr<task_source> source) {
    const auto position = source->next();
    if (!position) return;
    heads_.push_back({*position, std::move(source)});
    std::push_heap(heads_.begin(), heads_.end(), std::cref(*this));
  }

  std::vector<source_head> heads_;
  bool newest_first_;
  std::uint64_t entries_read_ = 0;
};

// The queue of one signature.
class signature_queue final : public task_source {
 public:
  signature_queue(const table_reader& tables, std::uint32_t signature, const std::optional<page_position>& behind)
      : tables_(tables), signature_(signature) {
    key from;
    from.u32(signature);
    if (behind) from.u32(behind->inverted_priority).u64(behind->task);
    from_ = from.view();
    if (behind) from_ += '\0';
  }

  std::optional<page_position> next() override {
    if (position_ == entries_.size() && is_open_) read_chunk();
    if (position_ == entries_.size()) return std::nullopt;
    return entries_[position_++];
  }

 private:
  void read_chunk() {
    entries_.clear();
    position_ = 0;
    tables_.scan(table::ready, from_, [this](std::string_view entry, std::string_view) {
      if (read_u32(entry, 0) != signature_) return false;
      entries_.push_back({read_u32(entry, 4), read_u64(entry, 8)});
      return entries_.size() < chunk_entries;
    });
    is_open_ = entries_.size() == chunk_entries;
    if (!entries_.empty()) {
      from_ = key{}.u32(signature_).u32(entries_.back().inverted_priority).u64(entries_.back().task).view();
      from_ += '\0';
    }
  }

  const table_reader& tables_;
  std::uint32_t signature_;
  std::string from_;
  bool is_open_ = true;
  std::vector<page_position> entries_;
  std::size_t position_ = 0;
};

// Jumps from one signature to the next one that has queued tasks.
std::vector<std::uint32_t> signatures_with_queued(const table_reader& tables) {
  std::vector<std::uint32_t> found;
  std::uint64_t from = 0;
  while (from <= ~std::uint32_t{0}) {
    std::optional<std::uint32_t> signature;
    tables.scan(table::ready, key{}.u32(static_cast<std::uint32_t>(from)),
                [&](std::string_view entry, std::string_view) {
                  signature = read_u32(entry, 0);
                  return false;
                });
    if (!signature) break;
    found.push_back(*signature);
    from = std::uint64_t{*signature} + 1;
  }
  return found;
}

std::unique_ptr<task_source> collect_ids(const table_reader& tables, table where, std::size_t id_offset,
                                         std::uint64_t first, std::uint64_t last, bool newest_first) {
  std::vector<std::uint64_t> ids;
  std::uint64_t entries = 0;
  tables.scan(where, "", [&](std::string_view entry, std::string_view) {
    const auto id = read_u64(entry, id_offset);
    ++entries;
    if (id >= first && id <= last) ids.push_back(id);
    return true;
  });
  return std::make_unique<sorted_ids>(std::move(ids), newest_first, entries);
}

}  // namespace

std::unique_ptr<task_source> tasks_in_range(const table_reader& tables, std::uint64_t first, std::uint64_t last,
                                            bool newest_first) {
  return std::make_unique<id_range>(tables, table::task_status, "", first, last, newest_first);
}

std::unique_ptr<task_source> tasks_of_worker(const table_reader& tables, std::uint64_t worker, std::uint64_t first,
                                             std::uint64_t last, bool newest_first) {
  return std::make_unique<id_range>(tables, table::lease, std::string{key{}.u64(worker).view()}, first, last,
                                    newest_first);
}

std::unique_ptr<task_source> queued_tasks(const table_reader& tables, const std::optional<page_position>& behind,
                                          const std::function<bool(std::uint32_t)>& is_wanted) {
  std::vector<std::unique_ptr<task_source>> parts;
  for (const auto signature : signatures_with_queued(tables)) {
    if (is_wanted(signature)) parts.push_back(std::make_unique<signature_queue>(tables, signature, behind));
  }
  return std::make_unique<merged>(std::move(parts), false);
}

std::unique_ptr<task_source> tasks_in_states(const table_reader& tables, const std::vector<v1::TaskState>& states,
                                             std::uint64_t first, std::uint64_t last, bool newest_first) {
  bool has_queued = false;
  bool has_held = false;
  std::vector<std::unique_ptr<task_source>> parts;
  for (const auto state : states) {
    if (state == v1::TASK_STATE_QUEUED) {
      has_queued = true;
    } else if (state == v1::TASK_STATE_LEASED || state == v1::TASK_STATE_RUNNING) {
      has_held = true;
    } else {
      std::string prefix{key{}.u8(static_cast<std::uint8_t>(state)).view()};
      parts.push_back(
          std::make_unique<id_range>(tables, table::task_by_state, std::move(prefix), first, last, newest_first));
    }
  }
  if (has_queued) {
    if (tables.size(table::ready) > collected_max) return nullptr;
    parts.push_back(collect_ids(tables, table::ready, 8, first, last, newest_first));
  }
  if (has_held) {
    if (tables.size(table::lease) > collected_max) return nullptr;
    parts.push_back(collect_ids(tables, table::lease, 8, first, last, newest_first));
  }
  return std::make_unique<merged>(std::move(parts), newest_first);
}

}  // namespace hive::core::views
