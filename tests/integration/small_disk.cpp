#include "tests/integration/small_disk.hpp"

#include <stdexcept>

#include "tests/integration/process.hpp"

namespace hive::test {

bool small_disk::mount(const std::filesystem::path& folder, const std::string& size, const last_will& will) {
  std::filesystem::create_directories(folder);
  folder_ = folder;
  const auto path = folder.string();
  // The folder stands in one that is removed while this is still mounted, so that both are left to remove here.
  will.add("if mountpoint -q " + path + "; then umount -l " + path + "; fi; rmdir " + path + " " +
           folder.parent_path().string());
  is_mounted_ = run({"mount", "-t", "tmpfs", "-o", "mode=0700,size=" + size, "hive-test", path}).status == 0;
  return is_mounted_;
}

void small_disk::resize(const std::string& size) const {
  const auto done = run({"mount", "-o", "remount,size=" + size, folder_.string()});
  if (done.status != 0) throw std::runtime_error("cannot change the size of a file system: " + done.output);
}

void small_disk::fill(std::uintmax_t bytes) const {
  // A size that is too small for what has been written meanwhile is refused.
  constexpr int tries_max = 20;
  for (int tries = 1;; ++tries) {
    const auto now = std::filesystem::space(folder_);
    try {
      return resize(std::to_string(now.capacity - now.free + bytes));
    } catch (const std::runtime_error&) {
      if (tries == tries_max) throw;
    }
  }
}

bool can_mount() {
  const last_will will;
  const temporary_folder folder;
  small_disk disk;
  return disk.mount(folder.path() / "disk", "1m", will);
}

}  // namespace hive::test
