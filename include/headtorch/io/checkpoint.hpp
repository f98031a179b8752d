// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Checkpoints: all that a training run needs to go on as if it had never been interrupted, in one safetensors file.
///
///     io::save_checkpoint("run.ckpt", {.model = net, .optimizer = adam, .scheduler = schedule, .generator = generator, .epoch = epoch});
///     …
///     epoch = io::load_checkpoint("run.ckpt", {.model = net, .optimizer = adam, .scheduler = schedule, .generator = generator}).epoch;
///
/// The optimiser, the scheduler and the module are made with the same options as before: what is kept of them is what training changes.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "headtorch/core/random.hpp"
#include "headtorch/io/load_options.hpp"
#include "headtorch/io/safetensors.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/nn/state_dict.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch::io {
namespace detail {

/// What is done with an object whose type is known no more.
struct PartType {
    nn::StateDict (*state)(void* object);
    /// Throws when the state does not fit; changes nothing. Null for what can be tried in place only.
    void (*check)(void* object, const nn::StateDict& dict);
    void (*load)(void* object, const nn::StateDict& dict);
    /// The learning rates and momenta that a scheduler may change; null for what has none.
    std::vector<double*> (*rates)(void* object);
};

template <class S>
concept ModulePart = requires(S& object) { nn::ModuleRef(object.module_ref()); };
template <class S>
concept OptimizerPart = std::copy_constructible<S> && requires(S& object) {
    { object.group_count() } -> std::convertible_to<std::size_t>;
    { object.momentum(0) } -> std::same_as<double*>;
};
template <class S>
concept StatefulPart = requires(S& object, const nn::StateDict& dict) {
    { object.state_dict() } -> std::same_as<nn::StateDict>;
    object.load_state_dict(dict);
};

template <class S>
void check_part(void* object, const nn::StateDict& dict) {
    if constexpr (ModulePart<S>) {
        nn::detail::match_state(static_cast<S*>(object)->module_ref(), dict, true);
    } else {  // a copy refers to the same parameters, which loading does not touch
        S trial = *static_cast<S*>(object);
        trial.load_state_dict(dict);
    }
}
template <class S>
std::vector<double*> rates_of(void* object) {
    std::vector<double*> rates;
    S& optimizer = *static_cast<S*>(object);
    for (std::size_t g = 0; g < optimizer.group_count(); ++g) {
        rates.push_back(&optimizer.lr(g));
        if (double* momentum = optimizer.momentum(g)) rates.push_back(momentum);
    }
    return rates;
}

template <class S>
constexpr PartType make_part_type() {
    PartType type{[](void* object) { return static_cast<S*>(object)->state_dict(); }, nullptr,
                  [](void* object, const nn::StateDict& dict) { static_cast<S*>(object)->load_state_dict(dict); }, nullptr};
    if constexpr (ModulePart<S> || OptimizerPart<S>) type.check = &check_part<S>;
    if constexpr (OptimizerPart<S>) type.rates = &rates_of<S>;
    return type;
}
template <class S>
inline constexpr PartType part_type = make_part_type<S>();

inline std::span<const std::uint8_t> generator_bytes(const nn::StateDict& dict) {
    const auto bytes = dict.get<std::uint8_t, Cpu>("state");
    return {bytes.data(), static_cast<std::size_t>(bytes.numel())};
}
template <>
inline constexpr PartType part_type<Generator> = {
    [](void* object) {
        auto& generator = *static_cast<Generator*>(object);
        std::lock_guard lock(generator.mutex());
        const std::vector<std::uint8_t> bytes = generator.get_state();
        const auto state = empty<std::uint8_t, Cpu>({static_cast<std::int64_t>(bytes.size())});
        std::copy(bytes.begin(), bytes.end(), state.data());
        return nn::StateDict{{"state", state}};
    },
    [](void*, const nn::StateDict& dict) { Generator().set_state(generator_bytes(dict)); },
    [](void* object, const nn::StateDict& dict) {
        auto& generator = *static_cast<Generator*>(object);
        std::lock_guard lock(generator.mutex());
        generator.set_state(generator_bytes(dict));
    },
    nullptr,
};

}  // namespace detail

/// A reference to something with a state: a module, an optimiser, a generator, a scheduler, or whatever else has state_dict() and
/// load_state_dict(), the latter changing nothing when it throws.
class CheckpointPart {
public:
    CheckpointPart() = default;
    template <class S>
        requires detail::StatefulPart<S> || std::same_as<S, Generator>
    CheckpointPart(S& object) : object_(&object), type_(&detail::part_type<S>) {}

    bool defined() const { return object_ != nullptr; }
    nn::StateDict state_dict() const { return type_->state(object_); }
    bool can_check() const { return type_->check != nullptr; }
    /// Throws when the state does not fit; changes nothing. Only where can_check().
    void check_state_dict(const nn::StateDict& dict) const { type_->check(object_, dict); }
    void load_state_dict(const nn::StateDict& dict) const { type_->load(object_, dict); }
    std::vector<double*> rates() const { return type_->rates ? type_->rates(object_) : std::vector<double*>(); }

private:
    void* object_ = nullptr;
    const detail::PartType* type_ = nullptr;
};

/// What a checkpoint holds. Any of it may be left out.
struct Checkpoint {
    CheckpointPart model{}, optimizer{}, scheduler{}, generator{};
    std::int64_t epoch = 0;
    std::map<std::string, double> numbers{};
    std::map<std::string, std::string> texts{};
    /// More parts, by names of their own: a second network, its optimiser, the generator of a loader.
    std::vector<std::pair<std::string, CheckpointPart>> others{};
};

namespace detail {

inline std::vector<std::pair<std::string, CheckpointPart>> parts_of(std::string_view op, const Checkpoint& checkpoint) {
    std::vector<std::pair<std::string, CheckpointPart>> parts;
    const auto add = [&](const std::string& name, const CheckpointPart& part) {
        if (part.defined()) parts.emplace_back(name, part);
    };
    add("model", checkpoint.model);
    add("optimizer", checkpoint.optimizer);
    add("scheduler", checkpoint.scheduler);
    add("generator", checkpoint.generator);
    std::unordered_set<std::string_view> names{"model", "optimizer", "scheduler", "generator", "epoch", "number"};
    for (const auto& [name, part] : checkpoint.others) {
        if (name.empty() || name.find_first_of(".,") != std::string::npos || !names.insert(name).second)
            throw ValueError(
                message(op, ": a part cannot be called ", in_quotes(name), ": the name is taken, empty, or has a dot or a comma"));
        add(name, part);
    }
    return parts;
}

/// The entries whose names start with `prefix`, without it.
inline nn::StateDict below(const nn::StateDict& dict, const std::string& prefix) {
    nn::StateDict result;
    for (const auto& [name, tensor] : dict)
        if (name.starts_with(prefix)) result.append(name.substr(prefix.size()), tensor);
    return result;
}

/// All parts take their states, or none does.
inline void load_parts(std::string_view op, const std::string& path, const std::vector<std::pair<std::string, CheckpointPart>>& parts,
                       const nn::StateDict& dict) {
    const auto name_errors = [&](const std::string& part, const auto& work) {
        try {
            work();
        } catch (const IoError&) {
            throw;
        } catch (const Error& error) {
            throw IoError(message(op, ": ", path, ": its ", part, " does not fit, and nothing was changed: ", error.what()));
        }
    };
    std::vector<std::pair<double*, double>> rates;
    for (const auto& [name, part] : parts) {
        for (double* rate : part.rates()) rates.emplace_back(rate, *rate);
        if (part.can_check()) name_errors(name, [&, &part = part, &name = name] { part.check_state_dict(below(dict, name + ".")); });
    }
    // What cannot be checked is loaded, and loaded back if another one fails: schedulers, before the optimisers whose rates they set.
    std::vector<std::pair<const CheckpointPart*, nn::StateDict>> former;
    try {
        for (const auto& [name, part] : parts) {
            if (part.can_check()) continue;
            nn::StateDict before = part.state_dict().clone();
            name_errors(name, [&, &part = part, &name = name] { part.load_state_dict(below(dict, name + ".")); });
            former.emplace_back(&part, std::move(before));
        }
    } catch (...) {
        for (auto last = former.rbegin(); last != former.rend(); ++last) last->first->load_state_dict(last->second);
        for (const auto& [rate, before] : rates) *rate = before;
        throw;
    }
    for (const auto& [name, part] : parts)
        if (part.can_check()) part.load_state_dict(below(dict, name + "."));
}

}  // namespace detail

/// Writes a checkpoint, atomically: until it is complete, the file holds what it held before. Throws IoError when it cannot be written.
inline void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
    constexpr std::string_view op = "save_checkpoint";
    nn::StateDict dict;
    std::map<std::string, std::string> metadata{{"format", "headtorch checkpoint 1"}, {"parts", ""}};
    for (const auto& [part, object] : detail::parts_of(op, checkpoint)) {
        for (const auto& [name, tensor] : object.state_dict()) dict.append(message(part, ".", name), tensor);
        metadata["parts"] += part + ",";
    }
    dict.append("epoch", full<std::int64_t, Cpu>({}, checkpoint.epoch));
    for (const auto& [name, value] : checkpoint.numbers) dict.append("number." + name, full<double, Cpu>({}, value));
    for (const auto& [name, value] : checkpoint.texts) metadata.emplace("text." + name, value);
    save_safetensors(path, dict, metadata);
}

/// Loads the parts that are given, from a file that may hold more; returns them with the epoch, numbers and texts of the file. Throws
/// IoError, and changes nothing at all, when the file is malformed, or lacks a part, or when any part does not fit.
inline Checkpoint load_checkpoint(const std::string& path, const Checkpoint& parts) {
    constexpr std::string_view op = "load_checkpoint";
    const StateFile file = read_safetensors(path);
    const auto fail = [&](const auto&... text) { throw IoError(message(op, ": ", path, ": ", text...)); };
    const auto format = file.metadata.find("format"), held = file.metadata.find("parts");
    if (format == file.metadata.end() || format->second != "headtorch checkpoint 1" || held == file.metadata.end())
        fail("no checkpoint of headtorch, though safetensors: use io::load()");
    const auto wanted = detail::parts_of(op, parts);
    for (const auto& [name, part] : wanted)
        if (("," + held->second).find("," + name + ",") == std::string::npos) fail("it holds no ", name, "; it holds ", held->second);

    Checkpoint result = parts;
    const nn::AnyTensorHandle* epoch = file.state.find("epoch");
    if (!epoch || !epoch->is<std::int64_t>() || epoch->numel() != 1) fail("its epoch is missing or malformed");
    result.epoch = epoch->get<std::int64_t, Cpu>().item();
    for (const auto& [name, tensor] : detail::below(file.state, "number.")) {
        if (!tensor.is<double>() || tensor.numel() != 1) fail("its number ", detail::in_quotes(name), " is malformed");
        result.numbers[name] = tensor.get<double, Cpu>().item();
    }
    for (const auto& [name, text] : file.metadata)
        if (name.starts_with("text.")) result.texts[name.substr(5)] = text;
    detail::load_parts(op, path, wanted, file.state);
    return result;
}

}  // namespace headtorch::io
