#include "gate/file_watch.hpp"

#include <sys/stat.h>

namespace hive::gate {

file_watch::file_watch(const tls_files& files)
    : paths_{files.certificate, files.key, files.authority}, used_(look()), last_(used_) {}

bool file_watch::has_changed() {
  auto now = look();
  const bool is_settled = now == last_;
  last_ = std::move(now);
  if (!is_settled || last_ == used_) return false;
  used_ = last_;
  return true;
}

std::vector<file_watch::facts> file_watch::look() const {
  std::vector<facts> all;
  for (const std::string& path : paths_) {
    struct stat found {};
    facts one;
    if (::stat(path.c_str(), &found) == 0) {
      one = {found.st_ino, found.st_size, found.st_mtim.tv_sec * 1'000'000'000LL + found.st_mtim.tv_nsec};
    }
    all.push_back(one);
  }
  return all;
}

}  // namespace hive::gate
