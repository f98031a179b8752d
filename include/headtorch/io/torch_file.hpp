// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The files of torch.save(): a zip archive with a pickle (data.pkl) that describes the tensors, and their storages (data/0, data/1, …).

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/io/element.hpp"
#include "headtorch/io/pickle.hpp"
#include "headtorch/io/zip_reader.hpp"
#include "headtorch/io/zip_writer.hpp"

namespace headtorch::io {
namespace detail {

/// Turns what a pickle describes into tensors.
class TorchReader {
public:
    TorchReader(const RandomAccessFile& file, const LoadOptions& options)
        : file_(file), options_(options), zip_(checked(file)), names_(file, options) {}

    StateFile read() {
        const std::string pickle = read_pickle();
        Unpickler machine(file_, pickle);
        visit(machine.run(), 0);
        names_.check_root();
        return std::move(result_);
    }

private:
    using Kind = PickleValue::Kind;

    static const RandomAccessFile& checked(const RandomAccessFile& file) {
        unsigned char start[2] = {};
        if (file.size() >= 2) file.read(0, start, 2);
        if (start[0] == 0x80 && start[1] == 2)
            file.fail("this seems to be a file of PyTorch before 1.6, or a bare pickle: load it with PyTorch and save it anew");
        return file;
    }
    std::string read_pickle() {
        const ZipEntry* pickle = nullptr;
        for (const ZipEntry& entry : zip_.entries())
            if (entry.name.ends_with("/data.pkl") && !std::exchange(pickle, &entry))
                prefix_ = entry.name.substr(0, entry.name.size() - 8);
            else if (entry.name.ends_with("/data.pkl"))
                file_.fail("it has more than one data.pkl");
        if (!pickle) file_.fail("it has no data.pkl, thus it was not made by torch.save()");
        constexpr std::uint64_t most = 16 << 20;
        if (pickle->size > most) file_.fail("its pickle has ", pickle->size, " bytes; ", most, " at most");
        if (const ZipEntry* order = zip_.find(prefix_ + "byteorder")) {
            std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(order->size, 6)), '\0');
            ZipStream(zip_, *order).read(text.data(), text.size());
            big_endian_ = text == "big";
            if (!big_endian_ && text != "little") file_.fail("its byte order is ", in_quotes(text), "; expected little or big");
        }
        std::string bytes(static_cast<std::size_t>(pickle->size), '\0');
        ZipStream(zip_, *pickle).read(bytes.data(), bytes.size());
        return bytes;
    }

    /// Adds a value and all below it, under names joined by dots.
    void visit(const PickleValue& value, int depth) {
        // What is shared in the pickle is not shared here: a small one could have endlessly many values.
        if (depth > 64) file_.fail("its dictionaries are nested more than 64 deep, or in a circle");
        if (++visits_ > 1'000'000) file_.fail("it has more than a million values");
        names_length_ += path_.size();
        if (names_length_ > std::uint64_t{64} << 20) file_.fail("the names of its values take more than 64 MB");
        switch (value.kind) {
            case Kind::dict:
                for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
                    const PickleValue& key = *value.items[i];
                    if (!key.is(Kind::text) && !key.is(Kind::integer))
                        file_.fail("a key below ", in_quotes(path_), " is neither a string nor an integer");
                    visit_below(key.is(Kind::text) ? std::string(key.text) : std::to_string(key.integer), *value.items[i + 1], depth);
                }
                return;
            case Kind::list:
            case Kind::tuple:
                for (std::size_t i = 0; i < value.items.size(); ++i) visit_below(std::to_string(i), *value.items[i], depth);
                return;
            case Kind::tensor:
                return add_tensor(value);
            case Kind::boolean:
                return add_number<bool>(value.integer != 0);
            case Kind::integer:
                return add_number<std::int64_t>(value.integer);
            case Kind::real:
                return add_number<double>(value.real);
            case Kind::text:
                if (const auto name = names_(own_name())) result_.metadata.emplace(*name, value.text);
                return;
            case Kind::none:
                return;
            case Kind::global:
            case Kind::storage:
                file_.fail(in_quotes(path_), " is neither a tensor nor a number nor a string");
        }
    }
    void visit_below(const std::string& key, const PickleValue& value, int depth) {
        const std::size_t length = path_.size();
        path_ += (depth > 0 ? "." : "") + key;
        visit(value, depth + 1);
        path_.resize(length);
    }
    std::string own_name() const { return path_.empty() ? "tensor" : path_; }

    template <class T>
    void add_number(T value) {
        const auto name = names_(own_name());
        if (!name) return;
        const auto tensor = make_impl<Cpu>(dtype_of<T>, {});
        *static_cast<T*>(tensor->data) = value;
        result_.state.append(*name, any_tensor(tensor));
    }

    /// _rebuild_tensor_v2(storage, offset, sizes, strides, …): a view of a storage, checked to stay within it.
    void add_tensor(const PickleValue& value) {
        const std::string own = own_name();
        const PickleValue &storage = *value.items[0], &offset = *value.items[1], &sizes = *value.items[2], &steps = *value.items[3];
        if (!storage.is(Kind::storage) || !offset.is(Kind::integer) || !sizes.is(Kind::tuple) || !steps.is(Kind::tuple) ||
            sizes.items.size() != steps.items.size())
            file_.fail(in_quotes(own), " is no tensor: its description is malformed");
        if (sizes.items.size() > max_rank) file_.fail(in_quotes(own), " has ", sizes.items.size(), " dimensions; 8 at most");
        Shape shape;
        Strides strides;
        for (std::size_t d = 0; d < sizes.items.size(); ++d) {
            const PickleValue &size = *sizes.items[d], &step = *steps.items[d];
            if (!size.is(Kind::integer) || !step.is(Kind::integer))
                file_.fail(in_quotes(own), " is no tensor: its description is malformed");
            shape.push_back(size.integer);
            strides.push_back(step.integer);
        }
        const std::int64_t numel = storage.items[4]->integer;
        const auto elements = static_cast<std::int64_t>(checked_bytes(file_, own, shape, 1));
        std::int64_t last = offset.integer;
        bool inside = last >= 0 && numel >= 0 && last <= numel;
        for (int d = 0; d < shape.rank() && inside && elements > 0; ++d) {
            std::int64_t reach = 0;
            inside =
                strides[d] >= 0 && !__builtin_mul_overflow(shape[d] - 1, strides[d], &reach) && !__builtin_add_overflow(last, reach, &last);
        }
        if (!inside || (elements > 0 && last >= numel))
            file_.fail(in_quotes(own), ": shape ", shape, " with strides ", strides, " from ", offset.integer, " on leaves its storage of ",
                       numel, " elements");
        const auto name = names_(own);
        if (!name) return;
        const Ref<TensorImpl>& memory = load_storage(own, storage);
        result_.state.append(*name, any_tensor(alias_impl(*memory, shape, strides, offset.integer)));
    }

    /// Every storage is read once: tensors that share one in the file share it here.
    const Ref<TensorImpl>& load_storage(std::string_view tensor, const PickleValue& storage) {
        const Element element = find_storage_name(storage.items[1]->text)->element;
        const std::string_view key = storage.items[2]->text;
        Ref<TensorImpl>& memory = storages_[{std::string(key), element}];
        const std::int64_t numel = storage.items[4]->integer;
        if (memory && memory->numel != numel)
            file_.fail(in_quotes(tensor), ": its storage has ", memory->numel, " elements in one place and ", numel, " in another");
        if (memory) return memory;
        const ZipEntry* entry = zip_.find(message(prefix_, "data/", key));
        if (!entry) file_.fail(in_quotes(tensor), ": its storage data/", in_quotes(key), " is missing");
        const Shape shape{numel};
        if (checked_bytes(file_, tensor, shape, facts(element).bytes) != entry->size)
            file_.fail(in_quotes(tensor), ": its storage of ", shape, " ", facts(element).name, " has ", entry->size, " bytes");
        ZipStream stream(zip_, *entry);
        memory = read_elements(file_, tensor, element, big_endian_, shape, resolve_dtype(file_, tensor, element, options_),
                               [&](void* target, std::size_t count) { stream.read(target, count); });
        return memory;
    }

    const RandomAccessFile& file_;
    const LoadOptions& options_;
    ZipReader zip_;
    LoadNames names_;
    StateFile result_;
    std::string prefix_, path_;
    std::map<std::pair<std::string, Element>, Ref<TensorImpl>> storages_;
    std::uint64_t names_length_ = 0, visits_ = 0;
    bool big_endian_ = false;
};

/// Writes a pickle of protocol 2.
class Pickler {
public:
    std::string bytes = "\x80\x02";

    void op(std::string_view text) { bytes += text; }
    void global(std::string_view module, std::string_view name) { bytes += message("c", module, "\n", name, "\n"); }
    void text(std::string_view text) {
        if (text.size() > 0xffffffff) throw ValueError("save_torch: a name of 4 GB");
        bytes += message("X", to_little_endian(static_cast<std::uint32_t>(text.size())), text);
    }
    void integer(std::int64_t value) {
        const bool small = value >= INT32_MIN && value <= INT32_MAX;
        bytes += small ? "J" + to_little_endian(static_cast<std::uint32_t>(value))
                       : "\x8a\x08" + to_little_endian(static_cast<std::uint64_t>(value));
    }
    void tuple(const IntList& values) {
        op("(");
        for (const std::int64_t value : values) integer(value);
        op("t");
    }
    void empty_ordered_dict() {
        global("collections", "OrderedDict");
        op(")R");
    }
    /// A contiguous tensor on a storage of its size.
    void tensor(const TensorImpl& tensor, std::string_view storage_key) {
        global("torch._utils", "_rebuild_tensor_v2");
        op("((");
        text("storage");
        const std::string_view storage = storage_names[static_cast<std::size_t>(tensor.dtype)].text;
        global("torch", storage.substr(storage.find('.') + 1));
        text(storage_key);
        text("cpu");
        integer(tensor.numel);
        op("tQ");
        integer(0);
        tuple(tensor.shape);
        tuple(tensor.shape.contiguous_strides());
        op("\x89");
        empty_ordered_dict();
        op("tR");
    }
};

}  // namespace detail

/// The tensors of a file that torch.save() made, of PyTorch 1.6 or newer, with their names in nested dictionaries and lists joined by dots:
/// {'model': {'fc.weight': …}, 'epoch': 3} gives "model.fc.weight" and "epoch". Numbers become tensors of int64, float64 or bool without
/// dimensions, strings go to the metadata, None is left out; a tensor by itself is called "tensor". Tensors that share memory in the file
/// share it here. Throws IoError when anything is amiss or when the pickle asks for anything else, and executes nothing.
inline StateFile read_torch(const std::string& path, const LoadOptions& options = {}) {
    const RandomAccessFile file("load_torch", path);
    return detail::TorchReader(file, options).read();
}
inline nn::StateDict load_torch(const std::string& path, const LoadOptions& options = {}) { return read_torch(path, options).state; }

/// Writes the tensors so that torch.load(path) gives an OrderedDict of them, weights_only or not; atomically. Tensors that are the same
/// memory all over (tied weights) stay so; a part of a larger tensor is written alone.
inline void save_torch(const std::string& path, const nn::StateDict& dict) {
    detail::check_unique("save_torch", dict);
    std::vector<Ref<TensorImpl>> storages;
    std::map<std::pair<const void*, Dtype>, std::size_t> known;
    detail::Pickler pickle;
    pickle.empty_ordered_dict();
    pickle.op("(");
    for (const auto& [name, tensor] : dict) {
        const auto impl = detail::contiguous_on_host("save_torch", name, tensor);
        auto [place, is_new] = known.try_emplace({impl->data, impl->dtype}, storages.size());
        if (!is_new && (impl->numel == 0 || storages[place->second]->numel != impl->numel)) {
            place->second = storages.size();
            is_new = true;
        }
        if (is_new) storages.push_back(impl);
        pickle.text(name);
        pickle.tensor(*impl, std::to_string(place->second));
    }
    pickle.op("u.");

    ZipWriter zip("save_torch", path);
    zip.add("archive/data.pkl", {pickle.bytes});
    zip.add("archive/byteorder", {"little"});
    for (std::size_t i = 0; i < storages.size(); ++i)
        detail::write_elements(*storages[i], [&](const void* data, std::size_t bytes) {
            zip.add("archive/data/" + std::to_string(i), {std::string_view(static_cast<const char*>(data), bytes)});
        });
    zip.add("archive/version", {"3\n"});
    zip.commit();
}

}  // namespace headtorch::io
