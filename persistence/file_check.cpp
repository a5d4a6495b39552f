#include "persistence/file_check.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "persistence/folder.hpp"

namespace hive::persistence {

namespace {

// The format of LMDB 0.9 on 64-bit machines (mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta), in host byte order.
static_assert(sizeof(void*) == 8, "the LMDB file format differs on 32-bit machines");

constexpr std::uint32_t file_magic = 0xBEEFC0DE;
constexpr std::uint32_t file_version = 1;
constexpr std::size_t page_header_bytes = 16;
constexpr std::size_t node_header_bytes = 8;
constexpr std::size_t tree_record_bytes = 48;
constexpr std::uint64_t no_page = ~0ULL;
constexpr std::uint64_t meta_pages = 2;
constexpr std::uint32_t depth_max = 32;
constexpr std::uint16_t branch_flag = 0x01;
constexpr std::uint16_t leaf_flag = 0x02;
constexpr std::uint16_t overflow_flag = 0x04;
constexpr std::uint16_t meta_flag = 0x08;
constexpr std::uint16_t kind_flags = 0x0F;
constexpr std::uint16_t node_is_overflow = 0x01;
constexpr std::uint16_t node_is_tree = 0x02;

template <class T>
T read_at(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// Root record of one tree.
struct tree {
  std::uint32_t pad = 0;  // the free list's holds the page size
  std::uint16_t depth = 0;
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t root = no_page;
};

tree read_tree(const char* bytes) {
  return {read_at<std::uint32_t>(bytes),      read_at<std::uint16_t>(bytes + 6),  read_at<std::uint64_t>(bytes + 8),
          read_at<std::uint64_t>(bytes + 16), read_at<std::uint64_t>(bytes + 24), read_at<std::uint64_t>(bytes + 40)};
}

struct meta {
  tree free_list;
  tree tables;
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;
};

error damaged(const std::filesystem::path& file, const std::string& what) {
  return {errc::data_loss, file.string() + " is damaged: " + what + "; restore a backup", {}};
}

/// One key and value of a leaf page, or one child of a branch page.
struct node {
  std::string_view key;
  std::string_view value;           // in the page itself
  std::uint64_t overflow_page = 0;  // or there
  std::uint64_t value_bytes = 0;
  std::uint64_t child = 0;
  bool is_tree = false;
};

class file_walker {
 public:
  file_walker(const std::filesystem::path& file, int descriptor, std::uint64_t file_bytes)
      : file_(file), descriptor_(descriptor), file_bytes_(file_bytes) {}

  result<void> check(std::uint64_t leaf_pages_max);

 private:
  enum class extent : std::uint8_t { branches, everything };
  using tree_list = std::vector<std::pair<std::string, tree>>;

  [[nodiscard]] error damage(const std::string& what) const { return damaged(file_, what); }
  bool read_bytes(std::uint64_t offset, char* target, std::size_t count) const;
  result<meta> read_meta(std::uint64_t number) const;
  result<void> read_metas();
  result<void> check_record(const std::string& name, const tree& root) const;
  result<void> check_tree(const std::string& name, const tree& root, extent reach);
  result<void> check_page(const std::string& name, std::uint64_t number, std::uint32_t levels_below, extent reach);
  result<void> check_nodes(const std::string& name, std::uint64_t number, const std::vector<char>& page,
                           std::uint32_t levels_below, extent reach);
  result<node> read_node(const std::string& name, std::uint64_t number, const std::vector<char>& page,
                         std::size_t index, bool is_leaf) const;
  result<void> check_overflow(const std::string& name, const node& entry) const;
  result<void> count_free(const node& entry);
  [[nodiscard]] bool is_page(std::uint64_t number) const {
    return number >= meta_pages && number <= newest_.last_page && number < file_pages_;
  }

  const std::filesystem::path& file_;
  int descriptor_;
  std::uint64_t file_bytes_;
  std::uint64_t file_pages_ = 0;
  std::uint64_t page_bytes_ = 0;
  meta newest_;
  std::uint64_t pages_left_ = 0;       // of the tree that is being walked: ends every cycle
  std::uint64_t free_beyond_end_ = 0;  // pages of the free list that the file does not reach
  bool is_free_list_ = false;
  tree_list* found_trees_ = nullptr;
};

bool file_walker::read_bytes(std::uint64_t offset, char* target, std::size_t count) const {
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(descriptor_, target + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

result<meta> file_walker::read_meta(std::uint64_t number) const {
  std::array<char, page_header_bytes + 24 + 2 * tree_record_bytes + 16> bytes{};
  const std::string name = "meta page " + std::to_string(number);
  if (!read_bytes(number * page_bytes_, bytes.data(), bytes.size())) return damage(name + " is missing");
  const char* body = bytes.data() + page_header_bytes;
  const auto flags = read_at<std::uint16_t>(bytes.data() + 10);
  if ((flags & meta_flag) == 0 || read_at<std::uint32_t>(body) != file_magic) {
    return damage(name + " is not one (wrong mark)");
  }
  const auto version = read_at<std::uint32_t>(body + 4);
  if (version != file_version) {
    return error{errc::failed_precondition,
                 file_.string() + " has LMDB format " + std::to_string(version) + "; this program reads 1",
                 {}};
  }
  const char* trees = body + 24;
  meta found{read_tree(trees), read_tree(trees + tree_record_bytes),
             read_at<std::uint64_t>(trees + 2 * tree_record_bytes),
             read_at<std::uint64_t>(trees + 2 * tree_record_bytes + 8)};
  if (read_at<std::uint64_t>(bytes.data()) != number) return damage(name + " has another page's number");
  // LMDB writes the meta page of an odd transaction to page 1 and of an even one to page 0.
  if (found.transaction != 0 && found.transaction % 2 != number) return damage(name + " has a wrong transaction");
  if (found.last_page < 1) return damage(name + " has no pages");
  return found;
}

result<void> file_walker::read_metas() {
  // The page size stands in meta page 0, and meta page 1 follows it.
  auto first = read_meta(0);
  if (!first) return first.failure();
  page_bytes_ = first->free_list.pad;
  if (page_bytes_ < 512 || page_bytes_ > 65536 || (page_bytes_ & (page_bytes_ - 1)) != 0) {
    return damage("meta page 0 gives an impossible page size, " + std::to_string(page_bytes_));
  }
  file_pages_ = file_bytes_ / page_bytes_;
  auto second = read_meta(1);
  if (!second) return second.failure();
  if (second->free_list.pad != page_bytes_) return damage("the meta pages give two page sizes");
  newest_ = first->transaction > second->transaction ? *first : *second;
  const auto older = std::min(first->transaction, second->transaction);
  if (newest_.transaction - older > 1) return damage("one meta page is much older than the other");
  if (newest_.last_page > (1ULL << 47) / page_bytes_) return damage("the meta page gives too many pages");
  return {};
}

result<void> file_walker::check_record(const std::string& name, const tree& root) const {
  if (root.root == no_page) return {};
  if (!is_page(root.root)) return damage(name + " starts at page " + std::to_string(root.root) + ", beyond the file");
  if (root.depth == 0 || root.depth > depth_max) return damage(name + " has an impossible depth");
  const auto most = newest_.last_page;
  if (root.branch_pages > most || root.leaf_pages > most || root.overflow_pages > most) {
    return damage(name + " has an impossible number of pages");
  }
  return {};
}

result<void> file_walker::check_tree(const std::string& name, const tree& root, extent reach) {
  if (auto good = check_record(name, root); !good) return good;
  if (root.root == no_page) return {};
  if (reach == extent::branches && root.depth == 1) return {};
  pages_left_ = root.branch_pages + (reach == extent::everything ? root.leaf_pages : 0);
  return check_page(name, root.root, root.depth - 1U, reach);
}

result<void> file_walker::check_page(const std::string& name, std::uint64_t number, std::uint32_t levels_below,
                                     extent reach) {
  const std::string what = "page " + std::to_string(number) + " of " + name;
  if (pages_left_ == 0) return damage(name + " has more pages than it counts");
  --pages_left_;
  std::vector<char> page(page_bytes_);
  if (!read_bytes(number * page_bytes_, page.data(), page.size())) return damage(what + " cannot be read");
  const auto flags = read_at<std::uint16_t>(page.data() + 10);
  const auto lower = read_at<std::uint16_t>(page.data() + 12);
  const auto upper = read_at<std::uint16_t>(page.data() + 14);
  if (read_at<std::uint64_t>(page.data()) != number) return damage(what + " has another page's number");
  if ((flags & kind_flags) != (levels_below > 0 ? branch_flag : leaf_flag)) return damage(what + " is of a wrong kind");
  if (lower < page_header_bytes || lower % 2 != 0 || lower > upper || upper > page_bytes_) {
    return damage(what + " has impossible bounds");
  }
  return check_nodes(name, number, page, levels_below, reach);
}

result<void> file_walker::check_nodes(const std::string& name, std::uint64_t number, const std::vector<char>& page,
                                      std::uint32_t levels_below, extent reach) {
  const std::string what = "page " + std::to_string(number) + " of " + name;
  const std::size_t count = (read_at<std::uint16_t>(page.data() + 12) - page_header_bytes) / 2;
  if (count == 0) return damage(what + " is empty");
  std::string_view previous;
  for (std::size_t i = 0; i < count; ++i) {
    auto entry = read_node(name, number, page, i, levels_below == 0);
    if (!entry) return entry.failure();
    // The first key of a branch page is not used; keys of the free list are integers.
    if (!is_free_list_ && i > (levels_below > 0 ? 1U : 0U) && entry->key <= previous) {
      return damage(what + " has keys out of order");
    }
    previous = entry->key;
    result<void> good;
    if (levels_below == 0) {
      if (entry->overflow_page != 0) good = check_overflow(name, *entry);
      if (good && is_free_list_) good = count_free(*entry);
      if (good && found_trees_ != nullptr) {
        if (!entry->is_tree) return damage(what + " has an entry that is no table");
        found_trees_->emplace_back(std::string{entry->key}, read_tree(entry->value.data()));
      }
    } else if (!is_page(entry->child)) {
      return damage(what + " points to page " + std::to_string(entry->child) + ", beyond the file");
    } else if (levels_below > 1 || reach == extent::everything) {
      good = check_page(name, entry->child, levels_below - 1, reach);
    }
    if (!good) return good;
  }
  return {};
}

result<node> file_walker::read_node(const std::string& name, std::uint64_t number, const std::vector<char>& page,
                                    std::size_t index, bool is_leaf) const {
  const auto bad = [&] { return damage("page " + std::to_string(number) + " of " + name + " has a broken entry"); };
  const std::size_t offset = read_at<std::uint16_t>(page.data() + page_header_bytes + 2 * index);
  if (offset < read_at<std::uint16_t>(page.data() + 14) || offset + node_header_bytes > page_bytes_) return bad();
  const char* bytes = page.data() + offset;
  const std::uint64_t low = read_at<std::uint16_t>(bytes);
  const std::uint64_t high = read_at<std::uint16_t>(bytes + 2);
  const auto flags = read_at<std::uint16_t>(bytes + 4);
  const std::size_t key_bytes = read_at<std::uint16_t>(bytes + 6);
  const std::size_t room = page_bytes_ - offset - node_header_bytes;
  if (key_bytes > room) return bad();
  node found;
  found.key = {bytes + node_header_bytes, key_bytes};
  if (!is_leaf) {
    found.child = low | (high << 16U) | (static_cast<std::uint64_t>(flags) << 32U);
    return found;
  }
  found.value_bytes = low | (high << 16U);
  found.is_tree = (flags & node_is_tree) != 0;
  const bool is_overflow = (flags & node_is_overflow) != 0;
  const std::uint64_t inside = is_overflow ? sizeof(std::uint64_t) : found.value_bytes;
  if (key_bytes == 0 || inside > room - key_bytes) return bad();
  found.value = {bytes + node_header_bytes + key_bytes, static_cast<std::size_t>(inside)};
  if (found.is_tree && (is_overflow || inside != tree_record_bytes)) return bad();
  if (is_overflow) {
    found.overflow_page = read_at<std::uint64_t>(found.value.data());
    if (!is_page(found.overflow_page)) return bad();
  }
  return found;
}

result<void> file_walker::check_overflow(const std::string& name, const node& entry) const {
  const std::uint64_t number = entry.overflow_page;
  const std::string what = "page " + std::to_string(number) + " of " + name;
  const std::uint64_t needed = (page_header_bytes - 1 + entry.value_bytes) / page_bytes_ + 1;
  std::array<char, page_header_bytes> header{};
  if (!read_bytes(number * page_bytes_, header.data(), header.size())) return damage(what + " cannot be read");
  if (read_at<std::uint64_t>(header.data()) != number) return damage(what + " has another page's number");
  const auto flags = read_at<std::uint16_t>(header.data() + 10);
  // A shorter value may have taken over the pages of a longer one.
  const std::uint64_t count = read_at<std::uint32_t>(header.data() + 12);
  if ((flags & kind_flags) != overflow_flag || count < needed) return damage(what + " is of a wrong kind");
  if (!is_page(number) || !is_page(number + count - 1)) return damage(what + " reaches beyond the file");
  return {};
}

result<void> file_walker::count_free(const node& entry) {
  std::vector<char> list(entry.value_bytes);
  if (entry.overflow_page == 0) {
    std::memcpy(list.data(), entry.value.data(), list.size());
  } else if (!read_bytes(entry.overflow_page * page_bytes_ + page_header_bytes, list.data(), list.size())) {
    return damage("the free list cannot be read");
  }
  if (list.size() < 8 || list.size() / 8 - 1 < read_at<std::uint64_t>(list.data())) {
    return damage("the free list is longer than its record");
  }
  const auto count = read_at<std::uint64_t>(list.data());
  for (std::uint64_t i = 1; i <= count; ++i) {
    const auto number = read_at<std::uint64_t>(list.data() + 8 * i);
    if (number < meta_pages || number > newest_.last_page) return damage("the free list names a page beyond the file");
    if (number >= file_pages_) ++free_beyond_end_;
  }
  return {};
}

result<void> file_walker::check(std::uint64_t leaf_pages_max) {
  if (auto good = read_metas(); !good) return good;
  is_free_list_ = true;
  if (auto good = check_tree("the free list", newest_.free_list, extent::everything); !good) return good;
  is_free_list_ = false;
  // Pages that were allocated and freed in one transaction are never written, so the file may end early; but
  // then every page that it lacks is free.
  const std::uint64_t allocated = newest_.last_page + 1;
  if (file_pages_ < allocated && free_beyond_end_ != allocated - file_pages_) {
    return damage("it was cut off: " + std::to_string(file_bytes_) + " bytes of " +
                  std::to_string(allocated * page_bytes_));
  }
  tree_list trees;
  found_trees_ = &trees;
  if (auto good = check_tree("the list of tables", newest_.tables, extent::everything); !good) return good;
  found_trees_ = nullptr;
  std::uint64_t leaf_pages = 0;
  for (const auto& [name, root] : trees) {
    if (auto good = check_record("table " + name, root); !good) return good;
    leaf_pages += root.leaf_pages + root.overflow_pages;
  }
  const extent reach = leaf_pages <= leaf_pages_max ? extent::everything : extent::branches;
  for (const auto& [name, root] : trees) {
    if (auto good = check_tree("table " + name, root, reach); !good) return good;
  }
  return {};
}

}  // namespace

result<void> check_file(const std::filesystem::path& file, std::uint64_t leaf_pages_max) {
  const file_descriptor opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (!opened.is_open() || ::fstat(opened.get(), &status) != 0) {
    return error{errc::invalid_argument, "cannot open " + file.string() + ": " + std::strerror(errno), {}};
  }
  if (!S_ISREG(status.st_mode)) return error{errc::invalid_argument, file.string() + " is not a file", {}};
  return file_walker{file, opened.get(), static_cast<std::uint64_t>(status.st_size)}.check(leaf_pages_max);
}

}  // namespace hive::persistence
