#include "actors/message_types.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/error.hpp>
#include <caf/exit_reason.hpp>
#include <caf/make_message.hpp>
#include <caf/sec.hpp>

namespace hive {
namespace {

constexpr caf::atom_value error_category = caf::atom("hive");

template <class... Types>
void add_all(caf::actor_system_config& config, wire_type_list<Types...>) {
  (config.add_message_type<Types>(Types{}.GetTypeName()), ...);
}

errc map_system_error(caf::sec code) {
  using caf::sec;
  switch (code) {
    case sec::request_timeout:
      return errc::deadline_exceeded;
    case sec::unexpected_message:
    case sec::unexpected_response:
    case sec::unexpected_actor_messaging_interface:
    case sec::incompatible_versions:
    case sec::incompatible_application_ids:
    case sec::unknown_type:
      return errc::failed_precondition;
    case sec::request_receiver_down:
    case sec::remote_linking_failed:
    case sec::no_actor_published_at_port:
    case sec::disconnect_during_handshake:
    case sec::cannot_forward_to_invalid_actor:
    case sec::no_route_to_receiving_node:
    case sec::cannot_connect_to_node:
    case sec::network_syscall_failed:
    case sec::socket_invalid:
    case sec::socket_disconnected:
    case sec::socket_operation_failed:
    case sec::unavailable_or_would_block:
    case sec::connection_timeout:
    case sec::redundant_connection:
    case sec::failed_to_assign_scribe_from_handle:
      return errc::unavailable;
    default:
      return errc::internal;
  }
}

/// The context's strings, in order; other elements are left out.
std::string text_of(const caf::message& context) {
  std::string text;
  for (std::size_t i = 0; i < context.size(); ++i) {
    if (!context.match_element<std::string>(i)) continue;
    if (!text.empty()) text += ", ";
    text += context.get_as<std::string>(i);
  }
  return text;
}

std::string described(const std::string& name, const caf::message& context) {
  const std::string text = text_of(context);
  return text.empty() ? name : name + ": " + text;
}

}  // namespace

void add_message_types(caf::actor_system_config& config) {
  add_all(config, wire_types{});
  config.add_message_type<node_directory>("hive.v1.node_directory");
  config.add_error_category(error_category, [](std::uint8_t code, caf::atom_value, const caf::message& context) {
    return described(to_string(static_cast<errc>(code)), context);
  });
}

caf::error make_error(const error& failure) {
  return {static_cast<std::uint8_t>(failure.code), error_category, caf::make_message(failure.message, failure.field)};
}

error to_error(const caf::error& failure) {
  if (!failure) return {errc::none, {}, {}};
  const caf::message& context = failure.context();
  if (failure.category() == error_category) {
    error mapped{static_cast<errc>(failure.code()), {}, {}};
    // The peer wrote it: a code outside of the enum must not travel on.
    if (failure.code() > static_cast<std::uint8_t>(errc::internal)) mapped.code = errc::internal;
    if (context.match_elements<std::string, std::string>()) {
      mapped.message = context.get_as<std::string>(0);
      mapped.field = context.get_as<std::string>(1);
    }
    return mapped;
  }
  if (failure.category() == caf::atom("system")) {
    const auto code = static_cast<caf::sec>(failure.code());
    return {map_system_error(code), described(caf::to_string(code), context), {}};
  }
  if (failure.category() == caf::atom("exit")) {
    return {
        errc::unavailable, "the receiver has ended: " + to_string(static_cast<caf::exit_reason>(failure.code())), {}};
  }
  return {errc::internal, described("foreign error " + std::to_string(failure.code()), context), {}};
}

}  // namespace hive
