#include "actors/message_types.hpp"

#include <google/protobuf/reflection.h>
#include <google/protobuf/util/message_differencer.h>
#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>
#include <catch2/catch.hpp>

#include "actors/system_config.hpp"

namespace hive {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// Sets the scalar fields of a message, so that an empty copy cannot pass for a round trip.
void fill(Message& message) {
  const auto* reflection = message.GetReflection();
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->is_repeated()) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64) reflection->SetUInt64(&message, field, 1U << 30);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) reflection->SetUInt32(&message, field, 77);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) reflection->SetString(&message, field, "text");
  }
}

/// Through a dynamically typed message, as on the wire.
caf::message through_bytes(caf::actor_system& system, caf::message& original) {
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  REQUIRE_FALSE(sink(original));
  caf::binary_deserializer source{system, bytes};
  caf::message copy;
  REQUIRE_FALSE(source(copy));
  return copy;
}

template <class Type>
void check_round_trip(caf::actor_system& system) {
  Type filled;
  fill(filled);
  INFO(filled.GetTypeName());
  auto original = caf::make_message(filled);
  auto copy = through_bytes(system, original);
  REQUIRE(copy.template match_elements<Type>());
  CHECK(google::protobuf::util::MessageDifferencer::Equals(copy.template get_as<Type>(0), filled));
}

template <class... Types>
void check_all(caf::actor_system& system, wire_type_list<Types...>) {
  (check_round_trip<Types>(system), ...);
}

/// The messages of api.proto that are parts of others and never travel alone.
bool is_part(const std::string& name) {
  for (const char* part : {"Limits", "TypeCounts", "TaskResultItem", "GetTaskItem", "TaskStatusUpdate", "PublishItem",
                           "PublishResultItem", "Leadership", "ClusterMember"}) {
    if (name == part) return true;
  }
  return false;
}

template <class... Types>
bool is_listed(const std::string& name, wire_type_list<Types...>) {
  return ((Types::descriptor()->name() == name) || ...);
}

struct system_fixture {
  test_system_config config;
  caf::actor_system system{config};
};

}  // namespace

TEST_CASE_METHOD(system_fixture, "every wire type survives the wire") { check_all(system, wire_types{}); }

TEST_CASE("every message of api.proto and cluster.proto is a wire type") {
  for (const auto* file : {v1::HelloRequest::descriptor()->file(), v1::ClusterStatusRequest::descriptor()->file()}) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      const std::string& name = file->message_type(i)->name();
      INFO(name);
      CHECK(is_listed(name, wire_types{}) != is_part(name));
    }
  }
}

TEST_CASE_METHOD(system_fixture, "a directory without actors survives the wire") {
  auto original = caf::make_message(node_directory{});
  auto copy = through_bytes(system, original);
  REQUIRE(copy.match_elements<node_directory>());
  CHECK_FALSE(copy.get_as<node_directory>(0).task_manager);
}

TEST_CASE_METHOD(system_fixture, "malformed protobuf bytes are an error, not a message") {
  std::string garbage = "\x0f\xff\xff";
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  REQUIRE_FALSE(sink(garbage));
  caf::binary_deserializer source{system, bytes};
  v1::HelloRequest request;
  CHECK(source(request));
}

TEST_CASE_METHOD(system_fixture, "an error keeps code, message and field across the wire") {
  auto original = caf::make_message(make_error({errc::invalid_argument, "too long", "spec.title"}));
  auto copy = through_bytes(system, original);
  REQUIRE(copy.match_elements<caf::error>());
  const error back = to_error(copy.get_as<caf::error>(0));
  CHECK(back.code == errc::invalid_argument);
  CHECK(back.message == "too long");
  CHECK(back.field == "spec.title");
}

TEST_CASE("a code from the wire outside of the enum becomes internal") {
  CHECK(to_error(caf::error{99, caf::atom("hive")}).code == errc::internal);
}

TEST_CASE("errors of CAF itself get canonical codes") {
  CHECK(to_error(caf::make_error(caf::sec::request_timeout)).code == errc::deadline_exceeded);
  CHECK(to_error(caf::make_error(caf::sec::request_receiver_down)).code == errc::unavailable);
  CHECK(to_error(caf::make_error(caf::sec::cannot_connect_to_node)).code == errc::unavailable);
  CHECK(to_error(caf::make_error(caf::sec::socket_disconnected)).code == errc::unavailable);
  CHECK(to_error(caf::make_error(caf::sec::unexpected_message)).code == errc::failed_precondition);
  CHECK(to_error(caf::make_error(caf::sec::runtime_error)).code == errc::internal);
  CHECK(to_error(caf::make_error(caf::exit_reason::kill)).code == errc::unavailable);
  CHECK(to_error(caf::error{}).code == errc::none);
}

}  // namespace hive
