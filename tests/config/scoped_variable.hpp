#pragma once

#include <cstdlib>
#include <string>

namespace hive::test {

/// An environment variable for the length of a scope.
class scoped_variable {
 public:
  scoped_variable(const std::string& name, const std::string& value) : name_(name) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  scoped_variable(const scoped_variable&) = delete;
  scoped_variable& operator=(const scoped_variable&) = delete;
  ~scoped_variable() { ::unsetenv(name_.c_str()); }

 private:
  std::string name_;
};

}  // namespace hive::test
