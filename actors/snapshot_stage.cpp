#include "actors/snapshot_stage.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace hive {
namespace {

error failed(const std::string& doing, const std::filesystem::path& path, int code) {
  return {code == ENOSPC || code == EDQUOT ? errc::resource_exhausted : errc::unavailable,
          doing + " " + path.string() + ": " + std::strerror(code),
          {}};
}

}  // namespace

result<std::uint64_t> snapshot_stage::write(const replication::snapshot_write& piece) {
  const auto path = folder_ / "data.mdb";
  if (piece.offset == 0) {
    discard();
    std::error_code problem;
    std::filesystem::create_directories(folder_, problem);
    if (problem) return failed("cannot make", folder_, problem.value());
    file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0) return failed("cannot make", path, errno);
  }
  if (file_ < 0) return error{errc::internal, "a piece of a copy that was not begun", {}};
  std::size_t done = 0;
  while (done < piece.data.size()) {
    const auto written =
        ::pwrite(file_, piece.data.data() + done, piece.data.size() - done, static_cast<off_t>(piece.offset + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failed("cannot write", path, errno);
    done += static_cast<std::size_t>(written);
  }
  if (piece.is_last) {
    if (::fsync(file_) != 0) return failed("cannot write", path, errno);
    close();
  }
  return piece.offset + done;
}

void snapshot_stage::close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void snapshot_stage::discard() {
  close();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace hive
