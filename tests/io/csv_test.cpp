// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/csv.hpp"

#include <random>

#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::CsvOptions;
using io::CsvTable;
using io::CsvType;

namespace {

CsvTable read(const Bytes& content, const CsvOptions& options = {}) {
    const TemporaryFolder folder;
    return io::read_csv(folder.write("t.csv", content), options);
}

/// What the error says, without the path of the file.
std::string refusal(const Bytes& content, const CsvOptions& options = {}) {
    try {
        read(content, options);
    } catch (const Error& error) {
        const std::string text = error.what();
        return text.substr(text.find("t.csv"));
    }
    return "no error";
}

}  // namespace

TEST_CASE("columns have names and types", "[io]") {
    const CsvTable table = read("id,height,name\n1, 1.5 ,Ann\n2,-2e3,Bob\n+3,7,\"C, D\"\n");
    CHECK(table.size() == 3);
    CHECK(table.names() == std::vector<std::string>{"id", "height", "name"});
    CHECK(table.type("id") == CsvType::integer);
    CHECK(table.type("height") == CsvType::real);
    CHECK(table.type("name") == CsvType::text);
    CHECK(table.numbers("height").tolist() == std::vector<float>{1.5f, -2000, 7});
    CHECK(table.numbers<double>("id").tolist() == std::vector<double>{1, 2, 3});
    CHECK(table.numbers<std::int64_t>("id").tolist() == std::vector<std::int64_t>{1, 2, 3});
    CHECK(table.text("name") == std::vector<std::string>{"Ann", "Bob", "C, D"});
    CHECK(table.text("height")[0] == " 1.5 ");  // as it stands
    const auto both = table.numbers({"height", "id"});
    CHECK(both.shape() == Shape{3, 2});
    CHECK(both.tolist() == std::vector<float>{1.5f, 1, -2000, 2, 7, 3});
    CHECK(read("a,b\n1,2\n").numbers().shape() == Shape{1, 2});
}

TEST_CASE("text becomes class numbers", "[io]") {
    const auto [codes, classes] = read("x\nred\nblue\nred\ngreen\n").codes("x");
    CHECK(classes == std::vector<std::string>{"blue", "green", "red"});
    CHECK(codes.tolist() == std::vector<std::int64_t>{2, 0, 2, 1});
}

TEST_CASE("quotes, ends of lines, empty lines, byte order marks", "[io]") {
    const CsvTable table = read("\xef\xbb\xbf\"a \"\"b\"\"\",c\r\n\"1\r\n2\",\"\"\"\"\r\n\r\nx\"y,5' 11\"\n\n\n");
    CHECK(table.names() == std::vector<std::string>{"a \"b\"", "c"});
    CHECK(table.text("a \"b\"") == std::vector<std::string>{"1\r\n2", "x\"y"});
    CHECK(table.text("c") == std::vector<std::string>{"\"", "5' 11\""});
    CHECK(table.line(0) == 2);
    CHECK(table.line(1) == 5);
    CHECK(read("a\rb\rc").text("a") == std::vector<std::string>{"b", "c"});
    CHECK(read("a,b\n1,2").size() == 1);  // the last line without its end
    CHECK(read("a;b\n1,5;2\n", {.delimiter = ';'}).text("a")[0] == "1,5");
    CHECK(read("a\tb\n1\t2\n", {.delimiter = '\t'}).numbers("b").item() == 2);
}

TEST_CASE("files without a header", "[io]") {
    const CsvTable table = read("1,2,x\n3,4,y\n", {.header = false});
    CHECK(table.names() == std::vector<std::string>{"0", "1", "2"});
    CHECK(table.numbers({"1", "0"}).tolist() == std::vector<float>{2, 1, 4, 3});
}

TEST_CASE("chosen columns are read, whatever stands in the others", "[io]") {
    const CsvTable table = read("a,b,c\n1,,NA\n2,,x\n", {.columns = {"a"}});
    CHECK(table.names() == std::vector<std::string>{"a"});
    CHECK(read("a,b\n1,2\n", {.columns = {"b", "a"}}).numbers().tolist() == std::vector<float>{2, 1});
    CHECK_THROWS_AS(read("a,b\n1,2\n", {.columns = {"c"}}), ValueError);
    CHECK_THROWS_WITH(read("a,b\n1,2\n", {.columns = {"c"}}), contains("there is no column 'c'; there are: a, b"));
    CHECK_THROWS_WITH(table.numbers("b"), contains("there is no column 'b'; there are: a"));
}

TEST_CASE("missing values are refused with their line", "[io]") {
    CHECK(refusal("a,b\n1,2\n3,\n") == "t.csv:3: column 'b' has no value: fill it in, leave the line out, or read other columns");
    CHECK(refusal("a,b\n1,2\n\"x\ny\",z\nNA,5\n").starts_with("t.csv:5: column 'a' has no value (NA)"));  // a line within quotes counts
    for (const char* word : {"", "  ", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"})
        CHECK(refusal(Bytes("a,b\n") + word + ",1\n").starts_with("t.csv:2: column 'a' has no value"));
    CHECK(refusal("a,b\n\"\",1\n").starts_with("t.csv:2: column 'a' has no value"));
}

TEST_CASE("malformed files are refused with their line", "[io]") {
    CHECK(refusal("") == "t.csv:1: the file is empty");
    CHECK(refusal("\n\n") == "t.csv:1: the file is empty");
    CHECK(refusal("a,b\n") == "t.csv:1: a header, and no rows");
    CHECK(refusal("a,b\n1,2\n\n3\n") == "t.csv:4: the row has 1 fields, but the first line has 2");
    CHECK(refusal("a,b\n1,2,3\n") == "t.csv:2: the row has 3 fields, but the first line has 2");
    CHECK(refusal("a,b,a\n1,2,3\n") == "t.csv:1: two columns are called 'a'");
    CHECK(refusal("a,b\n1,\"2\n3,4\n") == "t.csv:2: a quote is opened and never closed");
    CHECK(refusal("a,b\n1,\"2\"3\n").starts_with("t.csv:2: text follows a closed quote"));
    CHECK(refusal(Bytes("a,b\n1,\0\n", 8)) == "t.csv:2: a zero byte: this is no text file");
    CHECK(refusal("a\n1\n2\n", {.max_bytes = 3}) == "t.csv:1: the file is longer than 3 bytes; if it is meant, set max_bytes");
    CHECK_THROWS_AS(read("a\n1\n", {.delimiter = '"'}), ValueError);
    CHECK_THROWS_AS(io::read_csv("/nowhere/t.csv"), IoError);
}

TEST_CASE("numbers that are none are refused with their line", "[io]") {
    const CsvTable table = read("a,b,c\n1,2.5,99999999999999999999\n\nx,3,1\n");
    CHECK_THROWS_WITH(table.numbers("a"), contains("t.csv:4: column 'a' has 'x', not a number; text becomes class numbers with codes()"));
    CHECK_THROWS_WITH(table.numbers<std::int64_t>("b"), contains("t.csv:2: column 'b' has '2.5', not a whole number"));
    CHECK_THROWS_AS(table.numbers<std::int64_t>("c"), IoError);
    CHECK(table.type("c") == CsvType::real);
    for (const char* field : {"1x", "1 2", "0x10", "1e999", "--1", "+-1", "1,", "nan(1)", "NAN"}) {
        INFO(field);
        CHECK(read(Bytes("a\n\"") + field + "\"\n").type("a") == CsvType::text);
    }
    CHECK(read("a\n1e400\n").type("a") == CsvType::text);
    CHECK(read("a\ninf\n").numbers("a").item() > 1e30f);
}

TEST_CASE("a gzipped file is read, and does not blow up", "[io]") {
    CHECK(read(gzip("a\n1\n2\n")).numbers("a").tolist() == std::vector<float>{1, 2});
    CHECK(refusal(gzip("a\n" + Bytes(30'000'000, '1')), {.max_bytes = 1'000'000}).find("longer than 1000000 bytes") != std::string::npos);
}

TEST_CASE("long files, and fields longer than the reader's buffer", "[io]") {
    Bytes content = "n,text\n";
    for (int i = 0; i < 20000; ++i) content += std::to_string(i) + ",\"line " + std::to_string(i) + "\"\n";
    content += "20000," + Bytes(200'000, 'x') + "\n";
    const CsvTable table = read(content);
    CHECK(table.size() == 20001);
    CHECK(table.numbers<std::int64_t>("n").data()[20000] == 20000);
    CHECK(table.column("text")[19999] == "line 19999");
    CHECK(table.column("text")[20000].size() == 200'000);
    // many columns
    Bytes wide, row;
    for (int i = 0; i < 50000; ++i) {
        wide += (i ? ",c" : "c") + std::to_string(i);
        row += i ? ",1" : "1";
    }
    CHECK(read(wide + "\n" + row + "\n").numbers().shape() == Shape{1, 50000});
}

TEST_CASE("any bytes give a table or an error", "[io]") {
    std::mt19937 engine(1);
    const Bytes alphabet = "aa11..--,,,\"\"\n\n\r \t;eENx";
    for (int round = 0; round < 2000; ++round) {
        Bytes content = engine() % 2 ? "a,b\n" : "";
        for (std::size_t i = 0, n = engine() % 40; i < n; ++i) content += alphabet[engine() % alphabet.size()];
        try {
            const CsvTable table = read(content, {.header = engine() % 2 == 0});
            CHECK(table.size() > 0);
            for (const std::string& name : table.names()) CHECK(table.column(name).size() == table.size());
        } catch (const IoError&) {
        }
    }
}
