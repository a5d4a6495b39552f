#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gate/tls_context.hpp"

namespace hive::gate {

/// Finds out whether the three files of a certificate were replaced, by looking at them now and then.
class file_watch {
 public:
  explicit file_watch(const tls_files& files);

  /// True once for each change, when the files have stayed the same since the last look: nobody is writing them any
  /// more.
  bool has_changed();

 private:
  struct facts {
    std::uint64_t inode = 0;
    std::int64_t bytes = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const facts&, const facts&) = default;
  };
  [[nodiscard]] std::vector<facts> look() const;

  std::vector<std::string> paths_;
  std::vector<facts> used_;
  std::vector<facts> last_;
};

}  // namespace hive::gate
