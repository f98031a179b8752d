// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reads Python's pickles as far as PyTorch's state dictionaries need it. A pickle is a program for a machine with a stack; this machine
/// knows no calls but those that describe a tensor or an ordered dictionary, and refuses every other by name. Nothing is executed.

#include <bit>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headtorch/io/element.hpp"
#include "headtorch/io/random_access_file.hpp"

namespace headtorch::io::detail {

/// What a pickle made. Values refer to one another, in circles even; all belong to the Unpickler.
struct PickleValue {
    enum class Kind : std::uint8_t { none, boolean, integer, real, text, list, tuple, dict, global, storage, tensor };
    Kind kind = Kind::none;
    std::int64_t integer = 0;  ///< boolean, integer
    double real = 0;
    std::string_view text;            ///< text; a global's name, as "torch.FloatStorage"
    std::vector<PickleValue*> items;  ///< list, tuple: elements; dict: keys and values in turn; storage, tensor: the arguments

    bool is(Kind other) const { return kind == other; }
};

struct StorageName {
    std::string_view text;
    Element element;
};
inline constexpr StorageName storage_names[] = {
    {"torch.FloatStorage", Element::float32}, {"torch.DoubleStorage", Element::float64},    {"torch.LongStorage", Element::int64},
    {"torch.IntStorage", Element::int32},     {"torch.ByteStorage", Element::uint8},        {"torch.BoolStorage", Element::boolean},
    {"torch.HalfStorage", Element::float16},  {"torch.BFloat16Storage", Element::bfloat16}, {"torch.CharStorage", Element::int8},
    {"torch.ShortStorage", Element::int16},
};
inline const StorageName* find_storage_name(std::string_view text) {
    for (const StorageName& name : storage_names)
        if (name.text == text) return &name;
    return nullptr;
}

class Unpickler {
public:
    using Value = PickleValue;
    using Kind = PickleValue::Kind;

    /// `bytes` must outlive the values.
    Unpickler(const RandomAccessFile& file, std::string_view bytes) : file_(file), bytes_(bytes) {}

    /// Runs the pickle to its end.
    const Value& run() {
        while (true) {
            const auto op = number<std::uint8_t>();
            if (op == '.') break;
            execute(op);
        }
        if (at_ != bytes_.size()) fail("goes on behind its end");
        if (!marks_.empty() || stack_.size() != 1) fail("ends with something else than one value");
        return *stack_.front();
    }
    std::size_t value_count() const { return values_.size(); }

private:
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        file_.fail("the pickle ", parts..., " (at byte ", at_, " of it)");
    }

    // --- what is read ---------------------------------------------------------------------------------------------------
    std::string_view take(std::uint64_t count) {
        if (count > bytes_.size() - at_) fail("ends too early: the file is truncated or corrupt");
        const std::string_view taken = bytes_.substr(at_, static_cast<std::size_t>(count));
        at_ += taken.size();
        return taken;
    }
    template <class T>
    T number() {
        return little_endian<T>(reinterpret_cast<const unsigned char*>(take(sizeof(T)).data()));
    }
    std::string_view line() {
        const std::size_t end = bytes_.find('\n', at_);
        if (end == std::string_view::npos) fail("ends within a name");
        const std::string_view text = take(end - at_);
        take(1);
        return text;
    }
    std::int64_t long_integer(std::size_t size) {
        if (size > 8) fail("has an integer of ", size, " bytes; 8 at most");
        const std::string_view text = take(size);
        std::uint64_t value = !text.empty() && (text.back() & 0x80) ? ~std::uint64_t{0} : 0;
        for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[i]);
        return static_cast<std::int64_t>(value);
    }
    double big_endian_double() {
        std::uint64_t bits = 0;
        for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
        return std::bit_cast<double>(bits);
    }

    // --- the stack ------------------------------------------------------------------------------------------------------
    Value& push(Kind kind) {
        Value& value = values_.emplace_back();
        value.kind = kind;
        stack_.push_back(&value);
        return value;
    }
    void push_integer(std::int64_t value) { push(Kind::integer).integer = value; }
    void push_text(std::string_view text) { push(Kind::text).text = text; }
    std::size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }
    Value* top() {
        if (stack_.size() <= bottom()) fail("takes more from the stack than is there");
        return stack_.back();
    }
    Value* pop() {
        Value* value = top();
        stack_.pop_back();
        return value;
    }
    /// Everything above the last mark.
    std::vector<Value*> pop_to_mark() {
        if (marks_.empty()) fail("looks for a mark where there is none");
        const auto start = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<Value*> items(start, stack_.end());
        stack_.erase(start, stack_.end());
        marks_.pop_back();
        return items;
    }
    void push_tuple(std::vector<Value*> items) { push(Kind::tuple).items = std::move(items); }
    void push_tuple_of(std::size_t count) {
        std::vector<Value*> items(count);
        while (count-- > 0) items[count] = pop();
        push_tuple(std::move(items));
    }
    void append_all(Kind kind, const std::vector<Value*>& items) {
        Value* to = top();
        if (!to->is(kind)) fail("adds to something that is no ", kind == Kind::list ? "list" : "dictionary");
        if (kind == Kind::dict && items.size() % 2 != 0) fail("has a key without a value");
        to->items.insert(to->items.end(), items.begin(), items.end());
    }

    // --- calls ----------------------------------------------------------------------------------------------------------
    void push_global(std::string_view module, std::string_view name) {
        const std::string full = message(module, ".", name);
        static constexpr std::string_view functions[] = {ordered_dict, rebuild_tensor, rebuild_parameter};
        for (const std::string_view known : functions)
            if (full == known) return push(Kind::global).text = known, void();
        if (const StorageName* storage = find_storage_name(full)) return push(Kind::global).text = storage->text, void();
        fail("asks for ", in_quotes(full),
             ", and only tensors, dictionaries, lists, numbers and strings are read here; nothing was executed");
    }
    void call() {
        Value *arguments = pop(), *function = pop();
        if (!function->is(Kind::global) || !arguments->is(Kind::tuple)) fail("calls something that is no function");
        if (function->text == ordered_dict) return call_ordered_dict(arguments->items);
        if (function->text == rebuild_tensor) {
            if (arguments->items.size() < 4) fail("describes a tensor by ", arguments->items.size(), " values; 6 are needed");
            push(Kind::tensor).items = arguments->items;
            return;
        }
        if (function->text != rebuild_parameter) fail("calls ", function->text, ", which is no function");
        if (arguments->items.empty() || !arguments->items[0]->is(Kind::tensor)) fail("describes a parameter without a tensor");
        stack_.push_back(arguments->items[0]);
    }
    /// OrderedDict(), or from pairs, as Python 2 wrote it.
    void call_ordered_dict(const std::vector<Value*>& arguments) {
        std::vector<Value*> items;
        if (!arguments.empty()) {
            if (arguments.size() != 1 || !arguments[0]->is(Kind::list)) fail("makes an ordered dictionary from something else than pairs");
            for (const Value* pair : arguments[0]->items) {
                if ((!pair->is(Kind::list) && !pair->is(Kind::tuple)) || pair->items.size() != 2)
                    fail("makes an ordered dictionary from something else than pairs");
                items.insert(items.end(), pair->items.begin(), pair->items.end());
            }
        }
        push(Kind::dict).items = std::move(items);
    }
    void push_storage() {
        Value* id = pop();
        if (!id->is(Kind::tuple) || id->items.size() < 5 || !id->items[0]->is(Kind::text) || id->items[0]->text != "storage" ||
            !id->items[1]->is(Kind::global) || !find_storage_name(id->items[1]->text) || !id->items[2]->is(Kind::text) ||
            !id->items[4]->is(Kind::integer))
            fail("refers to something that is no storage of a tensor");
        push(Kind::storage).items = id->items;
    }

    // --- the memo -------------------------------------------------------------------------------------------------------
    void remember(std::uint32_t index) { memo_[index] = top(); }
    void recall(std::uint32_t index) {
        const auto found = memo_.find(index);
        if (found == memo_.end()) fail("recalls what it never remembered");
        stack_.push_back(found->second);
    }

    void execute(std::uint8_t op) {
        switch (op) {
            case 0x80:  // PROTO
                if (const int version = number<std::uint8_t>(); version > 5) fail("is of protocol ", version, ", which is not known here");
                return;
            case 0x95:
                take(8);
                return;  // FRAME
            case '(':
                return marks_.push_back(stack_.size());
            case '0':
                pop();
                return;
            case 'N':
                push(Kind::none);
                return;
            case 0x88:
                push(Kind::boolean).integer = 1;
                return;
            case 0x89:
                push(Kind::boolean).integer = 0;
                return;
            case 'J':
                return push_integer(static_cast<std::int32_t>(number<std::uint32_t>()));
            case 'K':
                return push_integer(number<std::uint8_t>());
            case 'M':
                return push_integer(number<std::uint16_t>());
            case 0x8a:
                return push_integer(long_integer(number<std::uint8_t>()));
            case 'G':
                push(Kind::real).real = big_endian_double();
                return;
            case 'X':
                return push_text(take(number<std::uint32_t>()));
            case 0x8c:
            case 'U':
                return push_text(take(number<std::uint8_t>()));
            case 0x8d:
                return push_text(take(number<std::uint64_t>()));
            case '}':
                push(Kind::dict);
                return;
            case ']':
                push(Kind::list);
                return;
            case ')':
                push(Kind::tuple);
                return;
            case 't':
                return push_tuple(pop_to_mark());
            case 0x85:
                return push_tuple_of(1);
            case 0x86:
                return push_tuple_of(2);
            case 0x87:
                return push_tuple_of(3);
            case 'a': {
                Value* item = pop();
                return append_all(Kind::list, {item});
            }
            case 'e':
                return append_all(Kind::list, pop_to_mark());
            case 's': {
                Value *value = pop(), *key = pop();
                return append_all(Kind::dict, {key, value});
            }
            case 'u':
                return append_all(Kind::dict, pop_to_mark());
            case 'q':
                return remember(number<std::uint8_t>());
            case 'r':
                return remember(number<std::uint32_t>());
            case 0x94:
                return remember(static_cast<std::uint32_t>(memo_.size()));
            case 'h':
                return recall(number<std::uint8_t>());
            case 'j':
                return recall(number<std::uint32_t>());
            case 'c': {
                const std::string_view module = line(), name = line();
                return push_global(module, name);
            }
            case 0x93: {
                const Value *name = pop(), *module = pop();
                if (!name->is(Kind::text) || !module->is(Kind::text)) fail("asks for a global without a name");
                return push_global(module->text, name->text);
            }
            case 'Q':
                return push_storage();
            case 'R':
                return call();
            case 'b':  // sets attributes; those of an ordered dictionary (PyTorch's _metadata) say nothing about the tensors
                pop();
                if (!top()->is(Kind::dict)) fail("sets attributes of something that is no dictionary");
                return;
            default:
                fail("has the instruction ", static_cast<int>(op), ", which is not known here; nothing was executed");
        }
    }

    static constexpr std::string_view ordered_dict = "collections.OrderedDict", rebuild_tensor = "torch._utils._rebuild_tensor_v2",
                                      rebuild_parameter = "torch._utils._rebuild_parameter";

    const RandomAccessFile& file_;
    std::string_view bytes_;
    std::size_t at_ = 0;
    std::deque<Value> values_;
    std::vector<Value*> stack_;
    std::vector<std::size_t> marks_;
    std::unordered_map<std::uint32_t, Value*> memo_;
};

}  // namespace headtorch::io::detail
