#include "actors/ledger_facade.hpp"

namespace hive {

error node_is_stopping() { return {errc::unavailable, "the node is stopping", {}}; }

result<void> check_batch_size(int items, const std::string& field) {
  if (items == 0) return error{errc::invalid_argument, "a batch needs at least one item", field};
  if (static_cast<std::uint32_t>(items) > batch_items_max) {
    return error{
        errc::invalid_argument,
        "a batch holds at most " + std::to_string(batch_items_max) + " items, this one has " + std::to_string(items),
        field};
  }
  return {};
}

result<void> admit(const service_context& context, ledger_request& request, std::uint64_t bytes, bool is_ending_work) {
  if (context.is_stopping) return node_is_stopping();
  const std::uint64_t bytes_max = message_bytes_max(context.limits);
  if (bytes > bytes_max) {
    return error{
        errc::resource_exhausted,
        "a message holds at most " + std::to_string(bytes_max) + " bytes, this one has " + std::to_string(bytes),
        {}};
  }
  request.ticket = context.work_admission->admit(request.commands.size(), bytes, is_ending_work);
  if (!request.ticket.is_admitted()) {
    return error{errc::resource_exhausted, "too many changes wait for the ledger: try again later", {}};
  }
  return {};
}

}  // namespace hive
