#pragma once

#include <concepts>
#include <string>
#include <type_traits>

#include <google/protobuf/message_lite.h>
#include <caf/detail/stringification_inspector.hpp>
#include <caf/error.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/sec.hpp>

// Found by argument-dependent lookup for every generated type: a protobuf message travels as one byte
// string. A type must also be registered (actors/message_types.cpp).
namespace hive::v1 {

template <class Inspector, std::derived_from<google::protobuf::MessageLite> Message>
typename Inspector::result_type inspect(Inspector& inspector, Message& message) {
  if constexpr (std::is_same_v<Inspector, caf::detail::stringification_inspector>) {
    std::string name = message.GetTypeName();
    return inspector(name);
  } else if constexpr (Inspector::reads_state) {
    std::string bytes;
    message.SerializeToString(&bytes);
    return inspector(bytes);
  } else {
    std::string bytes;
    auto parse = [&]() -> caf::error {
      if (message.ParseFromString(bytes)) return {};
      return caf::make_error(caf::sec::invalid_argument, "malformed " + message.GetTypeName());
    };
    return inspector(bytes, caf::meta::load_callback(parse));
  }
}

}  // namespace hive::v1
