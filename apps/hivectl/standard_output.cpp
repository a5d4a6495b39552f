#include "apps/hivectl/standard_output.hpp"

#include <cerrno>
#include <iostream>

#include <fcntl.h>
#include <unistd.h>

namespace hive::hivectl {

standard_output::standard_output() {
  setp(held_.data(), held_.data() + held_.size());
  std::cout.rdbuf(this);
}

int standard_output::finish() {
  std::cout << std::flush;
  return failure_ == EPIPE ? 0 : failure_;
}

standard_output::int_type standard_output::overflow(int_type letter) {
  if (sync() != 0) return traits_type::eof();
  if (traits_type::eq_int_type(letter, traits_type::eof())) return traits_type::not_eof(letter);
  *pptr() = traits_type::to_char_type(letter);
  pbump(1);
  return letter;
}

int standard_output::sync() {
  const char* from = pbase();
  while (from < pptr() && failure_ == 0) {
    const auto written = ::write(STDOUT_FILENO, from, static_cast<std::size_t>(pptr() - from));
    if (written >= 0)
      from += written;
    else if (errno != EINTR)
      failure_ = errno;
  }
  setp(held_.data(), held_.data() + held_.size());
  return failure_ == 0 ? 0 : -1;
}

void hold_standard_descriptors() {
  for (const int one : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(one, F_GETFD) >= 0) continue;
    // The lowest free number is this one. Opened for the wrong direction, so that its use is an error as before.
    [[maybe_unused]] const int opened = ::open("/dev/null", one == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace hive::hivectl
