// A file is followed however it changes (CFG-51, BEYOND-17).
#include <poll.h>
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

#include "runtime/source/file_watch.h"
#include "tests/runtime/folder.h"

namespace {

using kproxy::source::FileWatch;
using kproxy::tests::Folder;
namespace fs = std::filesystem;
using Change = FileWatch::Change;

// As the kubelet does: file -> ..data/file, ..data -> a folder of that version.
void publish(const Folder& folder, const std::string& version, const std::string& text) {
  fs::create_directory(folder.at(version));
  folder.write(version + "/file", text);
  fs::create_directory_symlink(version, folder.at("..data_tmp"));
  fs::rename(folder.at("..data_tmp"), folder.at("..data"));
}

// A change shows at once: inotify queues the event before the system call that makes it returns.
Change seen(FileWatch& watch) {
  pollfd event{watch.fd(), POLLIN, 0};
  return poll(&event, 1, 0) > 0 ? watch.changed() : Change::none;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(source_file_watch)

BOOST_AUTO_TEST_CASE(what_counts_as_a_change) {
  struct Case {
    const char* name;
    std::function<void(const Folder&)> deed;
    Change expected;
  };
  const Case cases[] = {
      {"nothing", [](const Folder&) {}, Change::none},
      {"written in place", [](const Folder& f) { f.write("file", "longer"); }, Change::rewritten},
      {"replaced by rename",
       [](const Folder& f) {
         f.write("new", "x");
         fs::rename(f.at("new"), f.at("file"));
       },
       Change::rewritten},
      {"removed", [](const Folder& f) { fs::remove(f.at("file")); }, Change::none},
      {"removed and written anew",
       [](const Folder& f) {
         fs::remove(f.at("file"));
         f.write("file", "longer");
       },
       Change::rewritten},
      {"replaced by a link",
       [](const Folder& f) {
         f.write("other", "x");
         fs::create_symlink("other", f.at("link"));
         fs::rename(f.at("link"), f.at("file"));
       },
       Change::relinked},
      {"another file beside it", [](const Folder& f) { f.write("other", "x"); }, Change::none},
      {"read", [](const Folder& f) { std::ifstream(f.at("file")).get(); }, Change::none},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.name) {
      const Folder folder;
      folder.write("file", "text");
      FileWatch watch(folder.at("file"));
      BOOST_REQUIRE(watch.start().ok());
      watch.know_present();
      each.deed(folder);
      BOOST_TEST((seen(watch) == each.expected));
      watch.know_present();
      BOOST_TEST((seen(watch) == Change::none));
      folder.write("file", "much longer");  // it is still followed
      BOOST_TEST((seen(watch) == Change::rewritten));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_config_map) {
  const Folder folder;
  publish(folder, "..1", "text");
  fs::create_symlink("..data/file", folder.at("file"));
  FileWatch watch(folder.at("file"));
  BOOST_REQUIRE(watch.start().ok());
  watch.know_present();
  for (const char* version : {"..2", "..3"}) {
    publish(folder, version, "text");
    BOOST_TEST((seen(watch) == Change::relinked), version);
    watch.know_present();
  }
  folder.write("..3/file", "written in place, where it lies");
  BOOST_TEST((seen(watch) == Change::rewritten));
}

BOOST_AUTO_TEST_CASE(another_directory) {  // CFG-51, BEYOND-17
  const Folder folder;
  const auto make = [&](const std::string& text) {
    fs::create_directory(folder.at("new"));
    folder.write("new/file", text);
    fs::rename(folder.at("new"), folder.at("directory"));
  };
  make("text");
  FileWatch watch(folder.at("directory/file"));
  BOOST_REQUIRE(watch.start().ok());
  watch.know_present();
  fs::rename(folder.at("directory"), folder.at("old"));
  make("another");
  BOOST_TEST((seen(watch) == Change::rewritten));
  watch.know_present();
  folder.write("directory/file", "written in place, where it lies");
  BOOST_TEST((seen(watch) == Change::rewritten));
  watch.know_present();
  folder.write("old/file", "where it does not lie any more");
  BOOST_TEST((seen(watch) == Change::none));

  fs::remove_all(folder.at("directory"));  // and for a while there is none
  BOOST_TEST((seen(watch) == Change::none));
  make("yet another");
  pollfd event{watch.fd(), POLLIN, 0};
  BOOST_TEST(poll(&event, 1, 10'000) == 1);
  BOOST_TEST((watch.changed() == Change::rewritten));
  watch.know_present();
  folder.write("directory/file", "written in place again");
  BOOST_TEST((seen(watch) == Change::rewritten));
}

BOOST_AUTO_TEST_CASE(no_file_descriptor_is_left) {  // HC-20
  const Folder folder;
  folder.write("file", "text");
  FileWatch watch(folder.at("file"));
  BOOST_REQUIRE(watch.start().ok());
  watch.know_present();
  folder.write("file", "much longer");
  rlimit before{};
  BOOST_REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  BOOST_REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Change meanwhile = watch.changed();
  BOOST_REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  BOOST_TEST((meanwhile == Change::none));
  pollfd event{watch.fd(), POLLIN, 0};
  BOOST_TEST(poll(&event, 1, 10'000) == 1);
  BOOST_TEST((watch.changed() == Change::rewritten));
  watch.know_present();
  BOOST_TEST((seen(watch) == Change::none));
}

BOOST_AUTO_TEST_SUITE_END()
