#pragma once

#include <array>
#include <streambuf>

namespace hive::hivectl {

/// Where std::cout writes while one of these lives: to stdout, and it remembers why that failed. A command whose output
/// is lost must not end as if all were well. One a process; not thread-safe, as only main's thread prints.
class standard_output : public std::streambuf {
 public:
  /// Takes over std::cout, for good.
  standard_output();

  /// What is still held is written. Answers the errno of the first write that failed, or 0. A reader that went away, as
  /// `| head` does, is no failure.
  int finish();

 protected:
  int_type overflow(int_type letter) override;
  int sync() override;

 private:
  std::array<char, 16'384> held_{};
  int failure_ = 0;
};

/// If 0, 1 or 2 is closed, the next file or socket would get the number, and what is printed would go there. From now
/// on writing to what was closed fails, as it should.
void hold_standard_descriptors();

}  // namespace hive::hivectl
