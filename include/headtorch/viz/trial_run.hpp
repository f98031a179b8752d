// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// One forward pass of a module, to watch it: on inputs of zeros or on given ones, and without a trace left behind.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/nn/state_dict.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch::viz::detail {

/// Puts back at the end of the scope what a forward pass may change: parameters and buffers with their versions, the modes of all modules,
/// and the default generator. Other members that forward() writes, such as a count of its calls, are beyond its reach.
class LeaveNoTrace {
public:
    explicit LeaveNoTrace(nn::ModuleRef root) {
        {
            std::lock_guard lock(default_generator().mutex());
            random_ = default_generator().get_state();
        }
        nn::detail::walk_modules(root, nullptr, [&](nn::ModuleRef module) {
            if (bool* mode = module.type().training ? module.type().training(module.address()) : nullptr) modes_.emplace_back(mode, *mode);
            nn::detail::for_each_tensor_of(module, [&](std::string_view, nn::TensorKind, const nn::AnyTensorHandle& tensor) {
                for (const Kept& kept : tensors_)
                    if (kept.tensor.is_same(tensor)) return;
                const TensorImpl& impl = *tensor.impl();
                tensors_.push_back({tensor, tensor.clone(), impl.node, impl.history, impl.version(), impl.storage->last_write.load()});
            });
        });
    }
    ~LeaveNoTrace() {
        for (const Kept& kept : tensors_) {
            TensorImpl& impl = *kept.tensor.impl();
            impl.node = kept.node;
            impl.history = kept.history;
            if (impl.version() == kept.version) continue;
            kept.tensor.type()->write(kept.tensor.impl(), kept.values.impl());
            impl.storage->version.store(kept.version);
            impl.storage->last_write.store(kept.last_write);
        }
        for (const auto& [mode, value] : modes_) *mode = value;
        std::lock_guard lock(default_generator().mutex());
        default_generator().set_state(random_);
    }
    LeaveNoTrace(const LeaveNoTrace&) = delete;
    LeaveNoTrace& operator=(const LeaveNoTrace&) = delete;

private:
    struct Kept {
        nn::AnyTensorHandle tensor, values;
        Ref<GraphNode> node;
        std::uint32_t history, version;
        const char* last_write;
    };
    std::vector<std::uint8_t> random_;
    std::vector<std::pair<bool*, bool>> modes_;
    std::vector<Kept> tensors_;
};

/// The tensors that a module is fed with where only their shapes are given: of its parameters' element type.
template <class Net>
auto usual_input() {
    using Found = nn::detail::ParameterTensor<std::remove_const_t<Net>>;
    if constexpr (AnyTensor<Found>)
        return Found();
    else
        return Tensor<float, Cpu>();
}

template <class Net, class... X>
concept TakesTensors = requires(Net& net, X&... inputs) { net.forward(inputs...); };

/// Tensors of int64 where a bit of `mask` is set, else of the usual type.
template <class Net, std::size_t mask, std::size_t... I>
auto inputs_of_types(std::index_sequence<I...>) {
    using Usual = decltype(usual_input<Net>());
    using Whole = Tensor<std::int64_t, typename Usual::device_type>;
    return std::tuple<std::conditional_t<(mask >> I & 1) != 0, Whole, Usual>...>();
}

template <class Net, class Tuple>
inline constexpr bool takes_tuple = false;
template <class Net, class... X>
inline constexpr bool takes_tuple<Net, std::tuple<X...>> = TakesTensors<Net, X...>;

/// Calls `run` with zeros of the given shapes, of the first types that forward() takes. False when it takes none.
template <class Net, std::size_t count, std::size_t mask = 0, class Run>
bool run_with_zeros(Net& net, std::span<const Shape> shapes, const Run& run) {
    using Inputs = decltype(inputs_of_types<Net, mask>(std::make_index_sequence<count>()));
    if constexpr (takes_tuple<Net, Inputs>) {
        Inputs inputs;
        std::apply(
            [&]<class... X>(X&... input) {
                [[maybe_unused]] const Shape* shape = shapes.data();
                ((input = zeros<typename X::value_type, typename X::device_type>(*shape++)), ...);
                run(input...);
            },
            inputs);
        return true;
    } else if constexpr (mask + 1 < std::size_t{1} << count) {
        return run_with_zeros<Net, count, mask + 1>(net, shapes, run);
    } else {
        return false;
    }
}

/// Calls `run` with one tensor of zeros for each shape, a batch in front; of the first element types, those of the parameters or int64,
/// that forward() takes.
template <class Net, class Run>
void with_zeros(const char* op, Net& net, std::span<const Shape> samples, std::int64_t batch_size, const Run& run) {
    if (batch_size < 1) throw ValueError(message(op, ": batch_size must be positive, got ", batch_size));
    std::vector<Shape> shapes(samples.begin(), samples.end());
    for (Shape& shape : shapes) shape.insert(0, batch_size);
    bool done = false;
    try {
        switch (shapes.size()) {
            case 0: done = run_with_zeros<Net, 0>(net, shapes, run); break;
            case 1: done = run_with_zeros<Net, 1>(net, shapes, run); break;
            case 2: done = run_with_zeros<Net, 2>(net, shapes, run); break;
            case 3: done = run_with_zeros<Net, 3>(net, shapes, run); break;
        }
    } catch (const ValueError& error) {
        if (batch_size > 1 || !nn::detail::is_training(net.module_ref())) throw;
        throw ValueError(message(error.what(), "; ", op, " ran it with a batch of 1: give a larger batch_size, or call eval() first"));
    }
    if (!done)
        throw ValueError(message(op, ": forward() of ", net.module_ref().name(), " does not take ", shapes.size(),
                                 shapes.size() == 1 ? " tensor" : " tensors",
                                 " of its parameters' type or of int64; give tensors instead of shapes"));
}

}  // namespace headtorch::viz::detail
