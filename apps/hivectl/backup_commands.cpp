#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/hivectl/progress.hpp"
#include "apps/hivectl/restore.hpp"
#include "apps/hivectl/session.hpp"

namespace hive::hivectl {
namespace {

constexpr std::size_t bar_width = 30;
constexpr auto redraw_interval = std::chrono::milliseconds(100);

struct backup_arguments {
  std::string file;
  std::string data_dir;
  bool is_overwriting = false;
};

/// One line on a terminal's stderr that is redrawn; nothing elsewhere.
class transfer_line {
 public:
  void draw(std::uint64_t done, std::uint64_t total) {
    if (!is_shown_) return;
    const auto now = std::chrono::steady_clock::now();
    if (done < total && now - drawn_at_ < redraw_interval) return;
    drawn_at_ = now;
    const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
    std::cerr << "\r\x1b[K" << progress_bar(share, bar_width) << " " << byte_count(done) << " of " << byte_count(total)
              << std::flush;
  }
  void begin() const {
    if (is_shown_) std::cerr << "the node copies its state ..." << std::flush;
  }
  ~transfer_line() {
    if (is_shown_) std::cerr << "\r\x1b[K" << std::flush;
  }

 private:
  bool is_shown_ = ::isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point drawn_at_;
};

int back_up(session& context, const backup_arguments& told) {
  std::error_code ignored;
  const auto there = std::filesystem::symlink_status(told.file, ignored);  // a link is there, wherever it leads
  if (!told.is_overwriting && std::filesystem::exists(there))
    return fail(context, {errc::already_exists, told.file + " exists: name another file, or say --overwrite", "FILE"});
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto begun_at = std::chrono::steady_clock::now();
  const auto bytes = [&] {
    transfer_line line;
    line.begin();
    return connection->backup(told.file, [&line](std::uint64_t done, std::uint64_t total) { line.draw(done, total); });
  }();
  if (!bytes && bytes.failure().field == "file")
    return fail(bytes.failure(), bytes.failure().code == errc::resource_exhausted
                                     ? "make room on this machine's disk, or name a file on another one"
                                     : std::string{});
  if (!bytes) return fail(context, bytes.failure());
  const auto took_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_at).count();
  const auto path = std::filesystem::absolute(told.file, ignored).string();
  if (!context.out.is_table()) {
    context.out.print_value({{"file", path}, {"bytes", *bytes}, {"took_ms", took_ms}});
    return 0;
  }
  context.out.print_fields({{"backup", path}, {"size", byte_count(*bytes)}, {"took", std::to_string(took_ms) + " ms"}});
  context.out.print_line("restore it with hivectl restore FILE --data-dir DIR, where DIR is a new folder");
  return 0;
}

int restore(const session& context, const backup_arguments& told) {
  const auto restored = restore_store(told.file, told.data_dir);
  if (!restored) return fail(context, restored.failure());
  if (!context.out.is_table()) {
    context.out.print_value({{"data_dir", told.data_dir},
                             {"bytes", restored->bytes},
                             {"tasks", restored->tasks},
                             {"plans", restored->plans},
                             {"was_member", restored->was_member},
                             {"log_entries_removed", restored->log_entries}});
    return 0;
  }
  context.out.print_fields({{"restored", told.data_dir},
                            {"size", byte_count(restored->bytes)},
                            {"tasks", std::to_string(restored->tasks)},
                            {"plans", std::to_string(restored->plans)},
                            {"check", "its tables agree"}});
  context.out.print_line("");
  if (restored->was_member)
    context.out.print_line(
        "This is the state of a member of a cluster. Its log and its vote were taken out: the folder is for a node "
        "that\n"
        "stands alone. To make a cluster of it again, start it with cluster.name and a cluster.node_id that the old\n"
        "cluster never had, run hivectl cluster init, and add nodes with empty folders.");
  context.out.print_line("next:  hived --data-dir " + told.data_dir);
  return 0;
}

}  // namespace

void add_backup_commands(CLI::App& app, session& context) {
  const auto told = std::make_shared<backup_arguments>();
  auto* backing = app.add_subcommand("backup", "Copy the node's whole state into a file while it serves.");
  backing->add_option("FILE", told->file, "Where to: written as FILE.part, then renamed")->required();
  backing->add_flag("--overwrite", told->is_overwriting, "Replace FILE if it exists, once the new one is complete");
  backing->footer(
      "Everything that was acknowledged before the command began is in the file. The node needs room on its disk\n"
      "for the copy while the command runs.");
  backing->callback([&context, told] { context.action = [&context, told] { return back_up(context, *told); }; });

  auto* restoring = app.add_subcommand("restore", "Make a data folder of a backup, without a node.");
  restoring->add_option("FILE", told->file, "Of hivectl backup")->required();
  restoring->add_option("--data-dir", told->data_dir, "Folder that hived is to use; created if missing")
      ->required()
      ->type_name("DIR");
  restoring->footer(
      "Run it where the node will run, as the user that it runs as (or as root: the files get the folder's owner).\n"
      "Its tables are checked first: that finds a torn copy, not every changed byte (the file has no checksums). Tasks "
      "and plans go on from the moment of the backup: what was done "
      "after\n"
      "it is done again.");
  restoring->callback([&context, told] { context.action = [&context, told] { return restore(context, *told); }; });
}

}  // namespace hive::hivectl
