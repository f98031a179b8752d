// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// cmake/download.sh, on small archives in a folder: nothing is fetched from anywhere.

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace fs = std::filesystem;

struct Outcome {
    int status;
    std::string text;
};

Outcome run(const std::string& command) {
    Outcome outcome{-1, ""};
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe);
    char buffer[512];
    while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) outcome.text.append(buffer, count);
    const int status = pclose(pipe);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
}

Outcome download(const std::string& arguments) { return run("sh '" HEADTORCH_SOURCE_DIR "/cmake/download.sh' " + arguments); }

std::string md5(const std::string& path) {
    const std::string text = run("md5sum '" + path + "' || md5 -q '" + path + "'").text;
    return text.substr(0, text.find_first_of(" \n"));
}

/// A place with an archive and a plain file, a table that names them, and an empty folder to put them into.
struct Fixture {
    TemporaryFolder folder;
    std::string archive, plain;
    Fixture() {
        folder.write("source/made/a.bin", "content");
        REQUIRE(run("tar -czf '" + folder.path("source/made.tar.gz") + "' -C '" + folder.path("source") + "' made").status == 0);
        folder.write("source/list.txt", "1 2 3");
        archive = md5(folder.path("source/made.tar.gz"));
        plain = md5(folder.path("source/list.txt"));
    }
    Outcome get(const std::string& name = "own") {
        folder.write("table",
                     "own made.tar.gz " + archive + " tar made http://nowhere.invalid\nown list.txt " + plain + " keep list.txt -\n");
        return download(name + " --table '" + folder.path("table") + "' --dir '" + folder.path("data") + "' --from '" +
                        folder.path("source") + "'");
    }
    /// All that there is in the folder of the set, hidden files included.
    std::vector<std::string> there() const {
        std::vector<std::string> names;
        if (fs::exists(folder.path("data/own")))
            for (const auto& entry : fs::directory_iterator(folder.path("data/own"))) names.push_back(entry.path().filename().string());
        std::sort(names.begin(), names.end());
        return names;
    }
};

}  // namespace

TEST_CASE("it says what there is", "[data]") {
    const Outcome help = download("--help");
    CHECK(help.status == 0);
    CHECK_THAT(help.text, contains("--from PLACE"));
    const Outcome list = download("--list");
    CHECK(list.status == 0);
    for (const char* set : {"fashion-mnist", "mnist", "cifar10", "cifar100", "celeba"})
        CHECK_THAT(list.text, contains(std::string(set) + ": "));
    CHECK_THAT(list.text, contains("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, md5 c32a1d4ab5d03f1284b67883e8d87530"));
    CHECK(download("").status == 1);
    CHECK_THAT(download("imagenet").text, contains("there is no set 'imagenet'; there are: fashion-mnist mnist cifar10"));
    CHECK_THAT(download("--frob cifar10").text, contains("unknown option '--frob'"));
}

TEST_CASE("files are checked and unpacked", "[data]") {
    Fixture f;
    Outcome outcome = f.get();
    INFO(outcome.text);
    CHECK(outcome.status == 0);
    CHECK(f.there() == std::vector<std::string>{"list.txt", "made"});
    CHECK(fs::file_size(f.folder.path("data/own/made/a.bin")) == 7);
    fs::remove_all(f.folder.path("source"));  // a second time nothing is fetched
    outcome = f.get();
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.text, contains("made is there") && contains("list.txt is there"));
}

TEST_CASE("what is not what it should be is refused, and nothing of it is left", "[data]") {
    Fixture f;
    f.archive = "00000000000000000000000000000000";
    Outcome outcome = f.get();
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.text, contains("made.tar.gz is not what it should be: its md5 is") && contains("nothing was unpacked"));
    CHECK(f.there().empty());

    f.folder.write("source/made.tar.gz", "no archive");  // of the right md5, but broken
    f.archive = md5(f.folder.path("source/made.tar.gz"));
    outcome = f.get();
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.text, contains("could not unpack made.tar.gz"));
    CHECK(f.there().empty());

    fs::remove(f.folder.path("source/made.tar.gz"));
    outcome = f.get();
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.text, contains("could not fetch"));
    CHECK(f.there().empty());
}

TEST_CASE("files that were fetched by hand are checked, too", "[data]") {
    Fixture f;
    fs::create_directories(f.folder.path("data/own"));
    fs::rename(f.folder.path("source/made.tar.gz"), f.folder.path("data/own/made.tar.gz"));
    CHECK(f.get().status == 0);
    CHECK(f.there() == std::vector<std::string>{"list.txt", "made", "made.tar.gz"});
    f.folder.write("data/own/list.txt", "something else");
    const Outcome outcome = f.get();
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.text, contains("list.txt is not what it should be") && contains("Remove it, or fetch it again."));

    const Outcome celeba = download("celeba --dir '" + f.folder.path("data") + "'");
    CHECK(celeba.status == 1);
    CHECK_THAT(celeba.text, contains("fetch by hand") && contains("list_attr_celeba.txt list_eval_partition.txt img_align_celeba.zip"));
}
