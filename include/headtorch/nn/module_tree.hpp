// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What is done with a tree of modules, whatever their types: walking, loading a state, printing, and naming where an error arose.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/config.hpp"
#include "headtorch/nn/reflect.hpp"

namespace headtorch::nn {

/// What load_state_dict() found to differ.
struct LoadResult {
    std::vector<std::string> missing_keys;     ///< of the module, not in the dictionary
    std::vector<std::string> unexpected_keys;  ///< in the dictionary, not of the module
};

namespace detail {

template <class Signature>
class FunctionRef;
/// A callable, for the duration of a call.
template <class... A>
class FunctionRef<void(A...)> {
public:
    template <class F>
        requires(!std::same_as<std::remove_cvref_t<F>, FunctionRef>)
    FunctionRef(F&& function)
        : object_(const_cast<void*>(static_cast<const void*>(&function))),
          call_([](void* object, A... arguments) { (*static_cast<std::remove_reference_t<F>*>(object))(arguments...); }) {}
    void operator()(A... arguments) const { call_(object_, arguments...); }

private:
    void* object_;
    void (*call_)(void*, A...);
};

template <class F>
void for_each_tensor_of(ModuleRef module, const F& function) {
    struct Tensors final : MemberVisitor {
        const F& function;
        explicit Tensors(const F& f) : function(f) {}
        void tensor(std::string_view name, TensorKind kind, const AnyTensorHandle& tensor) override { function(name, kind, tensor); }
    } visitor(function);
    module.type().visit(module.address(), visitor);
}
template <class F>
void for_each_child_of(ModuleRef module, const F& function) {
    struct Children final : MemberVisitor {
        const F& function;
        explicit Children(const F& f) : function(f) {}
        void module(std::string_view name, ModuleRef child) override { function(name, child); }
    } visitor(function);
    module.type().visit(module.address(), visitor);
}

/// The module, then its children, as PyTorch's named_modules(). `path` is that of the module; null when no names are wanted.
inline void walk_modules(ModuleRef module, std::string* path, FunctionRef<void(ModuleRef)> function) {
    function(module);
    for_each_child_of(module, [&](std::string_view name, ModuleRef child) {
        const std::size_t length = path ? path->size() : 0;
        if (path) path->append(length ? "." : "").append(name);
        walk_modules(child, path, function);
        if (path) path->resize(length);
    });
}
/// Children first, as PyTorch's apply().
inline void walk_modules_children_first(ModuleRef module, FunctionRef<void(ModuleRef)> function) {
    for_each_child_of(module, [&](std::string_view, ModuleRef child) { walk_modules_children_first(child, function); });
    function(module);
}

using TensorFunction = FunctionRef<void(const std::string&, TensorKind, const AnyTensorHandle&)>;

/// All parameters or buffers below, module by module, with their names; one that two modules share comes twice.
inline void walk_tensors(ModuleRef root, TensorKind kind, TensorFunction function) {
    std::string path;
    walk_modules(root, &path, [&](ModuleRef module) {
        for_each_tensor_of(module, [&](std::string_view name, TensorKind found, const AnyTensorHandle& tensor) {
            if (found != kind) return;
            const std::size_t length = path.size();
            path.append(length ? "." : "").append(name);
            function(path, kind, tensor);
            path.resize(length);
        });
    });
}
/// All of the state: of each module first the parameters, then the buffers, as PyTorch orders it.
inline void walk_state(ModuleRef root, TensorFunction function) {
    std::string path;
    walk_modules(root, &path, [&](ModuleRef module) {
        for (const TensorKind kind : {TensorKind::parameter, TensorKind::buffer})
            for_each_tensor_of(module, [&](std::string_view name, TensorKind found, const AnyTensorHandle& tensor) {
                if (found == kind) function(path.empty() ? std::string(name) : message(path, ".", name), kind, tensor);
            });
    });
}
/// All parameters, without names or allocations.
inline void walk_parameters(ModuleRef root, FunctionRef<void(const AnyTensorHandle&)> function) {
    walk_modules(root, nullptr, [&](ModuleRef module) {
        for_each_tensor_of(module, [&](std::string_view, TensorKind kind, const AnyTensorHandle& tensor) {
            if (kind == TensorKind::parameter) function(tensor);
        });
    });
}

/// Named tensors of a kind, each once, under the first of its names.
inline std::vector<std::pair<std::string, AnyTensorHandle>> named_tensors(ModuleRef root, TensorKind kind) {
    std::vector<std::pair<std::string, AnyTensorHandle>> tensors;
    walk_tensors(root, kind, [&](const std::string& name, TensorKind, const AnyTensorHandle& tensor) {
        for (const auto& [earlier, there] : tensors)
            if (there.is_same(tensor)) return;
        tensors.emplace_back(name, tensor);
    });
    return tensors;
}

inline void append_list(std::string& text, std::string_view title, const std::vector<std::string>& items) {
    if (items.empty()) return;
    text.append("\n  ").append(title).append(": ");
    for (std::size_t i = 0; i < items.size(); ++i) text.append(i ? ", " : "").append(items[i]);
}

/// What loading a state would write: values from the dictionary into tensors of the module.
struct StateWrites {
    LoadResult result;
    std::vector<std::pair<AnyTensorHandle, AnyTensorHandle>> writes;  // to, from
};

/// Throws ValueError when the state does not fit; changes nothing.
inline StateWrites match_state(ModuleRef root, const StateDict& dict, bool strict) {
    StateWrites matched;
    LoadResult& result = matched.result;
    auto& writes = matched.writes;
    std::vector<std::string> mismatched;
    std::vector<std::string> names;
    walk_state(root, [&](const std::string& name, TensorKind, const AnyTensorHandle& to) {
        names.push_back(name);
        const AnyTensorHandle* from = dict.find(name);
        if (!from || !from->defined())
            result.missing_keys.push_back(name);
        else if (!(from->shape() == to.shape()) || from->dtype() != to.dtype())
            mismatched.push_back(message(name, " (", *from, " for ", to, ")"));
        else if (from->device() != to.device() && from->device() != DeviceKind::cpu)
            mismatched.push_back(message(name, " (on ", headtorch::name(from->device()), ": call to<Cpu>() first)"));
        else
            writes.emplace_back(to, *from);
    });
    for (const auto& [name, tensor] : dict)
        if (std::find(names.begin(), names.end(), name) == names.end()) result.unexpected_keys.push_back(name);
    if (!mismatched.empty() || (strict && !(result.missing_keys.empty() && result.unexpected_keys.empty()))) {
        std::string text = message("load_state_dict: the state does not fit ", root.name(), "; nothing was changed");
        append_list(text, "missing", result.missing_keys);
        append_list(text, "unexpected", result.unexpected_keys);
        append_list(text, "wrong shape or type", mismatched);
        throw ValueError(std::move(text));
    }
    return matched;
}

inline LoadResult load_state(ModuleRef root, const StateDict& dict, bool strict) {
    StateWrites matched = match_state(root, dict, strict);
    for (const auto& [to, from] : matched.writes) to.type()->write(to.impl(), from.impl());
    return std::move(matched.result);
}

/// Whether the module, or else the first one below it that behaves differently in training, is in training.
inline bool is_training(ModuleRef root) {
    const bool* found = nullptr;
    walk_modules(root, nullptr, [&](ModuleRef module) {
        if (!found && module.type().training) found = module.type().training(module.address());
    });
    return !found || *found;
}

inline std::string indented(const std::string& text) {
    std::string result;
    for (const char c : text) {
        result += c;
        if (c == '\n') result += "  ";
    }
    return result;
}

/// As PyTorch prints a module. Elements of a ModuleList that print alike and follow one another are one line: `(0-2): 3 x Linear(…)`.
inline std::string print_module(ModuleRef module) {
    std::string extra = module.type().extra_repr ? module.type().extra_repr(module.address()) : "";
    if (module.type().list == ModuleType::List::parameters)
        for_each_tensor_of(module, [&](std::string_view name, TensorKind, const AnyTensorHandle& tensor) {
            extra += message(extra.empty() ? "" : "\n", "  (", name, "): Parameter containing: [torch.");
            extra += message(headtorch::name(tensor.dtype()), " of size ");
            for (int d = 0; d < tensor.shape().rank(); ++d) extra += message(d ? "x" : "", tensor.shape()[d]);
            extra += "]";
        });
    struct Child {
        std::string first, last, text;
        std::size_t count;
    };
    std::vector<Child> children;
    for_each_child_of(module, [&](std::string_view name, ModuleRef child) {
        std::string text = print_module(child);
        if (module.type().list == ModuleType::List::modules && !children.empty() && children.back().text == text) {
            children.back().last = name;
            ++children.back().count;
        } else {
            children.push_back({std::string(name), std::string(name), std::move(text), 1});
        }
    });
    std::string result = message(module.name(), "(");
    if (children.empty() && extra.find('\n') == std::string::npos) return result + extra + ")";
    if (!extra.empty()) result += "\n  " + indented(extra);
    for (const Child& child : children) {
        result += "\n  (" + child.first;
        if (child.count > 1) result += message("-", child.last, "): ", child.count, " x ");
        else result += "): ";
        result += indented(child.text);
    }
    return result + "\n)";
}

/// LeNet -> le_net.
inline std::string snake_case(std::string_view name) {
    std::string result;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        const bool upper = c >= 'A' && c <= 'Z';
        const bool after_lower = i > 0 && !(name[i - 1] >= 'A' && name[i - 1] <= 'Z') && name[i - 1] != '_';
        const bool before_lower = i > 0 && i + 1 < name.size() && name[i + 1] >= 'a' && name[i + 1] <= 'z' && name[i - 1] != '_';
        if (upper && (after_lower || before_lower)) result += '_';
        result += upper ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return result;
}

/// The path of a module below another one, "" when it is not there.
inline std::string path_below(ModuleRef root, const void* address, const void* type) {
    std::string path, found;
    walk_modules(root, &path, [&](ModuleRef module) {
        if (found.empty() && module.address() == address && &module.type() == type) found = path;
    });
    return found;
}

/// An error leaves `module`: the member that it came from is named by its path in the module, and the module itself, should it be the
/// outermost, by its class.
HEADTORCH_NOINLINE inline void name_module(Error& error, ModuleRef module) {
    if (error.last_module) {
        const std::string member = path_below(module, error.last_module, error.last_module_type);
        error.prepend_module(member.empty() ? error.root_module() : member);
    }
    error.last_module = module.address();
    error.last_module_type = &module.type();
    error.set_root_module(snake_case(module.name()));
}

}  // namespace detail

inline std::string ModuleRef::to_string() const { return type_ ? detail::print_module(*this) : "None"; }

}  // namespace headtorch::nn
