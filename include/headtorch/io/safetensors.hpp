// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Safetensors (https://github.com/huggingface/safetensors): eight bytes with the length of a header, the header in JSON, the elements,
/// little-endian. The header says of every tensor its type, shape and place; together they must cover the rest of the file exactly.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "headtorch/io/atomic_file.hpp"
#include "headtorch/io/element.hpp"
#include "headtorch/io/load_options.hpp"
#include "headtorch/io/random_access_file.hpp"

namespace headtorch::io {
namespace detail {

inline constexpr std::uint64_t max_safetensors_header = 100'000'000;  // the limit of the reference implementation

struct SafetensorsName {
    std::string_view text;
    Element element;
};
inline constexpr SafetensorsName safetensors_names[] = {
    {"F32", Element::float32}, {"F64", Element::float64},  {"I64", Element::int64},   {"I32", Element::int32},
    {"U8", Element::uint8},    {"BOOL", Element::boolean}, {"F16", Element::float16}, {"BF16", Element::bfloat16},
    {"I8", Element::int8},     {"I16", Element::int16},    {"U16", Element::uint16},  {"U32", Element::uint32},
};

struct SafetensorsEntry {
    std::string name, dtype;
    Shape shape;
    std::vector<std::uint64_t> offsets;
    bool has_dtype = false, has_shape = false, has_offsets = false;
};

/// Told by the JSON parser, piece by piece, what is in the header. Anything that has no business there ends the parsing, with `error` set.
class SafetensorsHeader {
public:
    using number_integer_t = nlohmann::json::number_integer_t;
    using number_unsigned_t = nlohmann::json::number_unsigned_t;
    using number_float_t = nlohmann::json::number_float_t;
    using string_t = nlohmann::json::string_t;
    using binary_t = nlohmann::json::binary_t;

    std::vector<SafetensorsEntry> entries;
    std::map<std::string, std::string> metadata;
    std::string error;

    bool null() { return refuse(); }
    bool boolean(bool) { return refuse(); }
    bool number_integer(number_integer_t) { return refuse(); }
    bool number_float(number_float_t, const string_t&) { return refuse(); }
    bool binary(binary_t&) { return refuse(); }
    bool number_unsigned(number_unsigned_t value) {
        if (place_ == Place::offsets) {
            entries.back().offsets.push_back(value);
            return entries.back().offsets.size() <= 2 || refuse();
        }
        if (place_ != Place::shape) return refuse();
        Shape& shape = entries.back().shape;
        if (shape.rank() == max_rank) return refuse("has more than 8 dimensions");
        if (value > std::uint64_t{1} << 62) return refuse("has an impossible shape");
        shape.push_back(static_cast<std::int64_t>(value));
        return true;
    }
    bool string(string_t& value) {
        if (place_ == Place::metadata) {
            metadata.insert_or_assign(key_, std::move(value));
            return true;
        }
        if (place_ != Place::tensor || key_ != "dtype") return refuse();
        entries.back().dtype = std::move(value);
        return true;
    }
    bool start_object(std::size_t) {
        if (place_ == Place::outside) return go(Place::names);
        if (place_ != Place::names) return refuse();
        if (key_ == "__metadata__") return go(Place::metadata);
        entries.emplace_back().name = key_;
        return go(Place::tensor);
    }
    bool end_object() {
        if (place_ == Place::tensor) {
            const SafetensorsEntry& entry = entries.back();
            if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2) return refuse("lacks dtype, shape or data_offsets");
        }
        return go(place_ == Place::names ? Place::outside : Place::names);
    }
    bool start_array(std::size_t) {
        if (place_ != Place::tensor || key_ == "dtype") return refuse();
        return go(key_ == "shape" ? Place::shape : Place::offsets);
    }
    bool end_array() { return go(Place::tensor); }
    bool key(string_t& value) {
        key_ = std::move(value);
        if (place_ == Place::names) return names_.insert(key_).second || refuse("is there twice");
        if (place_ == Place::metadata) return !metadata.contains(key_) || refuse("is there twice");
        SafetensorsEntry& entry = entries.back();
        for (const auto& [field, seen] : {std::pair<std::string_view, bool*>{"dtype", &entry.has_dtype},
                                          {"shape", &entry.has_shape},
                                          {"data_offsets", &entry.has_offsets}})
            if (key_ == field) return !std::exchange(*seen, true) || refuse("is there twice");
        return refuse("has no business there");
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
        error = message("the header is not JSON, at byte ", position, " of it");
        return false;
    }

private:
    enum class Place { outside, names, metadata, tensor, shape, offsets };

    bool go(Place place) {
        place_ = place;
        return true;
    }
    bool refuse(std::string_view what = "has a value of the wrong kind") {
        const bool inside = !entries.empty() && place_ != Place::names && place_ != Place::metadata && place_ != Place::outside;
        if (place_ == Place::outside)
            error = "the header is not a JSON object";
        else
            error = message("the header's entry ", inside ? in_quotes(entries.back().name) + ": " : "", in_quotes(key_), " ", what);
        return false;
    }

    Place place_ = Place::outside;
    std::string key_;
    std::unordered_set<std::string> names_;
};

inline SafetensorsHeader parse_safetensors_header(const RandomAccessFile& file, const std::string& text) {
    SafetensorsHeader header;
    if (text.empty() || text[0] != '{') file.fail("not a safetensors file: the header does not start with {");
    if (!nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &header)) file.fail(header.error);
    return header;
}

/// Throws unless the tensors lie one behind the other and fill `size` bytes.
inline void check_safetensors_places(const RandomAccessFile& file, const std::vector<SafetensorsEntry>& entries, std::uint64_t size) {
    std::vector<const SafetensorsEntry*> sorted;
    for (const SafetensorsEntry& entry : entries) sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->offsets < b->offsets; });
    std::uint64_t end = 0;
    for (const SafetensorsEntry* entry : sorted) {
        const std::uint64_t from = entry->offsets[0], to = entry->offsets[1];
        if (from > to || to > size)
            file.fail(in_quotes(entry->name), " is said to be at bytes ", from, " to ", to, " of ", size,
                      ": the file is truncated or corrupt");
        if (from != end)
            file.fail(in_quotes(entry->name), " starts at byte ", from,
                      from < end ? ", inside another tensor that ends at " : ", with a gap behind ", end);
        end = to;
    }
    if (end != size) file.fail(size - end, " bytes follow the last tensor: the file is corrupt");
}

inline Element safetensors_element(const RandomAccessFile& file, const SafetensorsEntry& entry) {
    for (const auto& [text, element] : safetensors_names)
        if (entry.dtype == text) return element;
    file.fail(in_quotes(entry.name), " is of type ", in_quotes(entry.dtype), ", which is not known here");
}

}  // namespace detail

/// The tensors and the metadata of a safetensors file. Throws IoError when anything in it is amiss.
inline StateFile read_safetensors(const std::string& path, const LoadOptions& options = {}) {
    const RandomAccessFile file("load_safetensors", path);
    unsigned char length[8];
    if (file.size() < 8) file.fail("too short for a safetensors file: ", file.size(), " bytes");
    file.read(0, length, 8);
    const auto header_size = little_endian<std::uint64_t>(length);
    if (header_size > detail::max_safetensors_header || header_size > file.size() - 8)
        file.fail("not a safetensors file, or truncated: its header would have ", header_size, " bytes, the file has ", file.size());
    std::string text(header_size, '\0');
    file.read(8, text.data(), text.size());
    const std::uint64_t start = 8 + header_size;
    detail::SafetensorsHeader header = detail::parse_safetensors_header(file, text);
    detail::check_safetensors_places(file, header.entries, file.size() - start);

    StateFile result{{}, std::move(header.metadata)};
    detail::LoadNames names(file, options);
    for (const detail::SafetensorsEntry& entry : header.entries) {
        const Element element = detail::safetensors_element(file, entry);
        const std::uint64_t bytes = entry.offsets[1] - entry.offsets[0];
        if (detail::checked_bytes(file, entry.name, entry.shape, detail::facts(element).bytes) != bytes)
            file.fail(detail::in_quotes(entry.name), ": ", entry.shape, " of ", entry.dtype, " do not take ", bytes, " bytes");
        const auto name = names(entry.name);
        if (!name) continue;
        std::uint64_t at = start + entry.offsets[0];
        const auto read = [&](void* target, std::size_t count) {
            file.read(at, target, count);
            at += count;
        };
        const Dtype dtype = detail::resolve_dtype(file, entry.name, element, options);
        result.state.append(*name, detail::any_tensor(detail::read_elements(file, entry.name, element, false, entry.shape, dtype, read)));
    }
    names.check_root();
    return result;
}
inline nn::StateDict load_safetensors(const std::string& path, const LoadOptions& options = {}) {
    return read_safetensors(path, options).state;
}

/// Writes a safetensors file, atomically; names and metadata are UTF-8. Larger elements come first, so that all are aligned.
inline void save_safetensors(const std::string& path, const nn::StateDict& dict, const std::map<std::string, std::string>& metadata = {}) {
    constexpr std::string_view op = "save_safetensors";
    const auto json = [op](const std::string& text) {
        try {
            return nlohmann::json(text).dump();
        } catch (const nlohmann::json::exception&) {
            throw ValueError(message(op, ": ", detail::in_quotes(text), " is not UTF-8"));
        }
    };
    detail::check_unique(op, dict);
    std::vector<std::size_t> order(dict.size());
    std::vector<std::uint64_t> starts(dict.size());
    std::vector<Ref<TensorImpl>> tensors;
    for (std::size_t i = 0; i < dict.size(); ++i) {
        order[i] = i;
        tensors.push_back(detail::contiguous_on_host(op, dict[i].first, dict[i].second));
    }
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return size_of(tensors[a]->dtype) > size_of(tensors[b]->dtype); });
    std::uint64_t end = 0;
    for (const std::size_t i : order) {
        starts[i] = end;
        end += detail::bytes_of(*tensors[i]);
    }

    std::string header;
    for (const auto& [key, value] : metadata) header += message(header.empty() ? "\"__metadata__\":{" : ",", json(key), ":", json(value));
    if (!metadata.empty()) header += "}";
    for (std::size_t i = 0; i < dict.size(); ++i) {
        const auto& [name, tensor] = dict[i];
        if (name == "__metadata__") throw ValueError("save_safetensors: a tensor cannot be called \"__metadata__\"");
        std::string shape;
        for (const std::int64_t size : tensors[i]->shape) shape += message(shape.empty() ? "" : ",", size);
        const std::string_view dtype = detail::safetensors_names[static_cast<std::size_t>(tensors[i]->dtype)].text;
        header += message(header.empty() ? "" : ",", json(name), ":{\"dtype\":\"", dtype, "\",\"shape\":[", shape, "],\"data_offsets\":[",
                          starts[i], ",", starts[i] + detail::bytes_of(*tensors[i]), "]}");
    }
    header = "{" + header + "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    if (header.size() > detail::max_safetensors_header)
        throw ValueError("save_safetensors: the names of so many tensors take too much space");

    AtomicFile file(op, path);
    file.write(to_little_endian(std::uint64_t{header.size()}));
    file.write(header);
    for (const std::size_t i : order)
        detail::write_elements(*tensors[i], [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
    file.commit();
}

}  // namespace headtorch::io
