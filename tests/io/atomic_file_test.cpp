// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/atomic_file.hpp"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using headtorch::IoError;
using headtorch::io::AtomicFile;

namespace {

namespace fs = std::filesystem;

Bytes content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}
std::size_t files_in(const std::string& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}
void save(const std::string& path, const Bytes& content) {
    AtomicFile file("save", path);
    file.write(content);
    file.commit();
}

/// Writes to files end at `bytes` bytes for as long as it lives.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit limit{bytes, old_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &old_);
        signal(SIGXFSZ, handler_);
    }

private:
    sighandler_t handler_;
    rlimit old_{};
};

}  // namespace

TEST_CASE("a file is there when it is committed, and not before", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file");
    {
        AtomicFile file("save", path);
        file.write("abc");
        file.write(Bytes(200'000, 'x'));
        file.write("end");
        CHECK(file.position() == 200'006);
        CHECK_FALSE(fs::exists(path));
        file.commit();
    }
    CHECK(content_of(path) == "abc" + Bytes(200'000, 'x') + "end");
    CHECK(files_in(folder.path()) == 1);

    { AtomicFile abandoned("save", path); abandoned.write("new"); }
    CHECK(content_of(path).starts_with("abc"));
    CHECK(files_in(folder.path()) == 1);

    save(path, "new");
    CHECK(content_of(path) == "new");
}

TEST_CASE("a file keeps its permissions, and a link to it stays one", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.write("there/file", "old");
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    fs::create_symlink("there/file", folder.path("link"));
    save(folder.path("link"), "new");
    CHECK(content_of(path) == "new");
    CHECK(fs::is_symlink(folder.path("link")));
    CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("where no file can be, there is an error", "[io]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(save(folder.path("none/file"), "x"), contains("save: " + folder.path("none/file")) && contains("No such file"));
    CHECK_THROWS_WITH(save(folder.path(), "x"), contains("not a regular file"));
    CHECK_THROWS_AS(save("/dev/full", "x"), IoError);
    const std::string path = folder.path("file");
    fs::create_symlink("elsewhere", path + ".headtorch-tmp");
    CHECK_THROWS_AS(save(path, "x"), IoError);
    CHECK_FALSE(fs::exists(folder.path("elsewhere")));
}

TEST_CASE("what a killed program left behind is used and gone", "[io]") {
    const TemporaryFolder folder;
    folder.write("file.headtorch-tmp", Bytes(1000, 'x'));
    save(folder.path("file"), "new");
    CHECK(content_of(folder.path("file")) == "new");
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("when a file may not grow, the old one stays whole", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.write("file", "old");
    const auto size = static_cast<std::size_t>(GENERATE(5'000, 70'000, 1'000'000));  // found at the end, or while writing
    std::string text;
    {
        const FileSizeLimit limit(4096);
        try {
            save(path, Bytes(size, 'x'));
        } catch (const IoError& error) {
            text = error.what();
        }
    }
    CHECK(text == "save: " + path + ": cannot write it: File too large; what was there before is unchanged");
    CHECK(content_of(path) == "old");
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("when the disk is full, the old file stays whole", "[io]") {
    const TemporaryFolder folder;
    const std::string disk = folder.path("disk");
    fs::create_directory(disk);
    if (mount("headtorch", disk.c_str(), "tmpfs", 0, "size=128k") != 0) {
        WARN("left out: a small disk can be mounted by root only");
        return;
    }
    save(disk + "/file", "old");
    CHECK_THROWS_WITH(save(disk + "/file", Bytes(200'000, 'x')), contains("No space left on device"));
    CHECK(content_of(disk + "/file") == "old");
    CHECK(files_in(disk) == 1);
    umount(disk.c_str());
}

TEST_CASE("of several that write to one place, none mixes with another", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file");
    std::vector<pid_t> children;
    for (char letter : {'a', 'b', 'c', 'd'}) {
        const pid_t child = fork();
        if (child == 0) {
            std::mt19937 random(static_cast<unsigned>(letter));
            for (int i = 0; i < 50; ++i) save(path, Bytes(100'000 + random() % 100'000, letter));
            _exit(0);
        }
        children.push_back(child);
    }
    std::size_t seen = 0;
    for (bool running = true; running;) {
        const Bytes content = content_of(path);
        if (!content.empty()) {
            ++seen;
            CHECK(content.size() >= 100'000);
            CHECK(content == Bytes(content.size(), content[0]));
        }
        running = false;
        for (pid_t& child : children) {
            int status = 0;
            if (child != 0 && waitpid(child, &status, WNOHANG) == child) {
                CHECK(status == 0);
                child = 0;
            }
            running = running || child != 0;
        }
    }
    CHECK(seen > 0);
    CHECK(files_in(folder.path()) == 1);
}
