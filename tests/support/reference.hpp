// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Holds ops against the cases that PyTorch answered.
///
///     TEST_CASE("activations agree with PyTorch", "[nn]") {
///         check_family("activation.txt", {
///             {"relu", [](const auto& in, const Case&) { return nn::relu(in("x")); }},
///             {"elu", [](const auto& in, const Case& c) { return nn::elu(in("x"), c.num("alpha", 1)); }},
///         });
///     }
///
/// Each lambda runs for float (1e-5) and double (1e-10), with contiguous inputs and with strided ones: values, then gradients; in double
/// also gradcheck and gradgradcheck. It returns a tensor, several (std::vector, std::tuple), or values and indices. Every case needs a
/// lambda and every lambda a case, so that nothing is left out unseen. With HEADTORCH_FAST_GRADCHECK in the environment gradients are
/// checked along random directions only.

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

namespace headtorch::testing {

/// The inputs of a case, as the lambda under test sees them.
template <class T>
class Inputs {
public:
    using value_type = T;
    Inputs(const Case& c, Layout layout) : case_(&c), layout_(layout) {
        for (const Written& written : c.inputs)
            if (written.type == "float") {
                names_.push_back(written.name);
                tensors_.push_back(make_tensor<T>(written.shape, written.values<T>(), layout));
            }
    }
    /// The input of the type under test.
    Tensor<T> operator()(const std::string& name) const {
        for (std::size_t i = 0; i < names_.size(); ++i)
            if (names_[i] == name) return tensors_[i];
        throw ValueError(message("reference: ", case_->title, ": no float input ", name));
    }
    void set(const std::string& name, const Tensor<T>& tensor) {
        for (std::size_t i = 0; i < names_.size(); ++i)
            if (names_[i] == name) tensors_[i] = tensor;
    }
    bool has(const std::string& name) const { return Case::find(case_->inputs, name) != nullptr; }
    /// The tensor, or an undefined one.
    Tensor<T> optional(const std::string& name) const { return has(name) ? (*this)(name) : Tensor<T>(); }
    /// name.0, name.1, …
    std::vector<Tensor<T>> list(const std::string& name) const {
        std::vector<Tensor<T>> all;
        while (has(name + "." + std::to_string(all.size()))) all.push_back((*this)(name + "." + std::to_string(all.size())));
        return all;
    }
    Tensor<std::int64_t> longs(const std::string& name) const { return case_->tensor<std::int64_t>(name, layout_); }
    Tensor<std::int32_t> ints(const std::string& name) const { return case_->tensor<std::int32_t>(name, layout_); }
    Tensor<std::uint8_t> bytes(const std::string& name) const { return case_->tensor<std::uint8_t>(name, layout_); }
    Tensor<bool> bools(const std::string& name) const { return case_->tensor<bool>(name, layout_); }

private:
    const Case* case_;
    Layout layout_;
    std::vector<std::string> names_;
    std::vector<Tensor<T>> tensors_;
};

/// What the lambda returned: each tensor untyped, those of type T also as such.
template <class T>
class Results {
public:
    template <class U>
    Results(const Tensor<U>& tensor) { add(tensor); }
    template <class U>
    Results(const std::vector<Tensor<U>>& tensors) {
        for (const auto& tensor : tensors) add(tensor);
    }
    template <class... U>
    Results(const std::tuple<U...>& tensors) { std::apply([&](const auto&... tensor) { (add(tensor), ...); }, tensors); }
    Results(const ValuesAndIndices<T, DefaultDevice>& both) : Results(std::tuple(both.values, both.indices)) {}
    Results(const ValuesAndIndices<std::int64_t, DefaultDevice>& both) : Results(std::tuple(both.values, both.indices)) {}

    std::vector<Ref<TensorImpl>> all;
    std::vector<Tensor<T>> typed;  ///< undefined where another type came out

private:
    template <class U>
    void add(const Tensor<U>& tensor) {
        tensor.get();
        all.push_back(tensor.impl());
        if constexpr (std::is_same_v<U, T>)
            typed.push_back(tensor);
        else
            typed.emplace_back();
    }
};

template <class T>
using Function = Results<T> (*)(const Inputs<T>&, const Case&);

/// Name of an op in the file, and the lambda (without captures) that computes it.
struct Entry {
    template <class F>
    Entry(const char* name, F)
        : op(name), in_float([](const Inputs<float>& in, const Case& c) { return Results<float>(F{}(in, c)); }),
          in_double([](const Inputs<double>& in, const Case& c) { return Results<double>(F{}(in, c)); }) {}
    std::string op;
    Function<float> in_float;
    Function<double> in_double;
};

/// Values and gradients of one case; returns "" or what is wrong.
template <class T>
std::string check_values(const Case& c, Function<T> f, Layout layout) {
    const std::string what =
        message(c.title, " [", name(dtype_of<T>), layout == Layout::strided ? ", strided]" : "]");
    const double relative = tolerance<T>;
    const Inputs<T> in(c, layout);
    for (const Written& gradient : c.gradients) in(gradient.name).requires_grad_();
    const Results<T> results = f(in, c);
    if (results.all.size() != c.outputs.size())
        return message(what, ": ", results.all.size(), " results instead of ", c.outputs.size());
    for (std::size_t i = 0; i < c.outputs.size(); ++i) {
        const Dtype dtype = results.all[i]->dtype;
        const double float_or_double = dtype == Dtype::float32 ? tolerance<float> : relative;
        if (std::string wrong = difference(what + ": " + c.outputs[i].name, *results.all[i], c.outputs[i], float_or_double); !wrong.empty())
            return wrong;
    }
    std::vector<Tensor<T>> seeds;  // held, so that backward may not use their memory; all but the last keep the graph
    for (const Written& gradient : c.output_gradients) seeds.push_back(make_tensor<T>(gradient.shape, gradient.values<T>(), layout));
    for (std::size_t i = 0, k = 0; i < c.outputs.size() && k < seeds.size(); ++i)
        if (c.outputs[i].name == c.output_gradients[k].name) {
            results.typed[i].backward(seeds[k], {.retain_graph = k + 1 < seeds.size()});
            ++k;
        }
    for (const Written& gradient : c.gradients) {
        const Tensor<T> got = in(gradient.name).grad();
        if (!got.defined()) return what + ": no gradient at " + gradient.name;
        std::string wrong = difference(what + ": gradient of " + gradient.name, *got.get(), gradient, relative);
        if (!wrong.empty()) return wrong;
    }
    for (std::size_t k = 0; k < seeds.size(); ++k) {
        std::string wrong = difference(what + ": the gradient given was overwritten", *seeds[k].get(), c.output_gradients[k], 0);
        if (!wrong.empty()) return wrong;
    }
    for (const Written& input : c.inputs) {
        if (input.type != "float") continue;
        std::string wrong = difference(what + ": the input " + input.name + " was overwritten", *in(input.name).get(), input, 0);
        if (!wrong.empty()) return wrong;
    }
    return "";
}

/// gradcheck and gradgradcheck of each result that has a gradient.
inline std::string check_gradients(const Case& c, Function<double> f) {
    for (std::size_t k = 0; k < c.outputs.size(); ++k) {
        if (!Case::find(c.output_gradients, c.outputs[k].name)) continue;
        std::vector<Tensor<double>> inputs;
        for (const Written& gradient : c.gradients) inputs.push_back(c.tensor<double>(gradient.name).requires_grad_());
        const auto function = [&](const std::vector<Tensor<double>>& given) {
            Inputs<double> in(c, Layout::contiguous);
            for (std::size_t i = 0; i < given.size(); ++i) in.set(c.gradients[i].name, given[i]);
            return f(in, c).typed[k];
        };
        std::string where = c.title + (c.outputs.size() > 1 ? ": " + c.outputs[k].name : "");
        try {
            const GradcheckOptions options{.fast_mode = std::getenv("HEADTORCH_FAST_GRADCHECK") != nullptr};
            gradcheck(function, inputs, options);
            where += ": gradgradcheck";
            gradgradcheck(function, inputs, options);
        } catch (const std::exception& error) {
            return where + ": " + error.what();
        }
    }
    return "";
}

inline std::string check_case(const Case& c, const Entry& entry) {
    try {
        for (const Layout layout : {Layout::contiguous, Layout::strided}) {
            if (std::string wrong = check_values<double>(c, entry.in_double, layout); !wrong.empty()) return wrong;
            if (c.has("double")) continue;
            if (std::string wrong = check_values<float>(c, entry.in_float, layout); !wrong.empty()) return wrong;
        }
        return c.has("nogradcheck") ? "" : check_gradients(c, entry.in_double);
    } catch (const std::exception& error) {
        return c.title + ": " + error.what();
    }
}

/// Runs every case of the file through the table. `elsewhere`: ops of this file that another test holds against it.
inline void check_family(const std::string& file, const std::vector<Entry>& table, const std::vector<std::string>& elsewhere = {}) {
    const std::vector<Case> cases = load_cases(file);
    std::vector<std::string> wrong, unknown;
    for (const Case& c : cases) {
        const auto entry = std::find_if(table.begin(), table.end(), [&](const Entry& e) { return e.op == c.op; });
        if (entry != table.end()) {
            if (std::string text = check_case(c, *entry); !text.empty()) wrong.push_back(text);
        } else if (std::find(elsewhere.begin(), elsewhere.end(), c.op) == elsewhere.end() &&
                   std::find(unknown.begin(), unknown.end(), c.op) == unknown.end()) {
            unknown.push_back(c.op);
        }
    }
    for (const auto& op : unknown) wrong.push_back(file + ": no test of " + op);
    const auto has_case = [&](const std::string& op) {
        return std::any_of(cases.begin(), cases.end(), [&](const Case& c) { return c.op == op; });
    };
    for (const Entry& entry : table)
        if (!has_case(entry.op)) wrong.push_back(file + ": no case of " + entry.op);
    for (const auto& op : elsewhere)
        if (!has_case(op)) wrong.push_back(file + ": no case of " + op);
    for (const auto& text : wrong) FAIL_CHECK(text);
    CHECK(!cases.empty());
}

}  // namespace headtorch::testing
