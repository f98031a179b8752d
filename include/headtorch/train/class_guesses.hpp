// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a network's outputs say about classes, read from the forms that outputs come in.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/train/metric.hpp"

namespace headtorch::train::detail {

/// True and guessed classes of one batch. Outputs are one of
///   - scores [n, c, …] for labels [n, …]: the class of the greatest score, the first among equals;
///   - numbers of the labels' shape ([n, 1] counts as [n]): probabilities or logits of class 1, each a decision of its own;
///   - integers of the labels' shape: the classes themselves.
struct ClassGuesses {
    std::vector<std::int64_t> truth, guess;
    std::vector<std::int64_t> logit_guess;  ///< of numbers: `guess` takes them for probabilities, this one for logits
    bool binary = false;                    ///< there are numbers
    bool outside = false;                   ///< one of them is not in [0, 1], so that they are logits
    std::int64_t classes = 0;               ///< that the scores tell of; 0 when there are none
};

/// Far more than any network tells apart: a label beyond is a mistake, and would cost memory.
inline constexpr std::int64_t most_classes = 10'000'000;

[[noreturn]] inline void throw_other_shapes(std::string_view op, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    throw ShapeError(message(op, ": outputs ", output.shape(), " do not fit labels ", target.shape(),
                             ": give scores [n, classes], or probabilities, logits or class indices of the labels' shape"));
}

/// True when `output` holds scores [n, c, …] for labels [n, …].
inline bool are_scores(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    const Shape &x = output.shape(), &y = target.shape();
    if (!is_floating(output) || x.rank() != y.rank() + 1 || x.rank() < 2) return false;
    if (x.rank() == 2 && x[1] == 1) return false;  // [n, 1] are probabilities or logits
    for (int d = 0; d < x.rank(); ++d)
        if (d != 1 && x[d] != y[d > 1 ? d - 1 : d]) return false;
    return true;
}

/// Labels as integers; negative ones and fractions are refused, but for `ignored`.
inline std::vector<std::int64_t> labels_of(std::string_view op, const nn::AnyTensorHandle& target,
                                           std::optional<std::int64_t> ignored = {}) {
    std::vector<std::int64_t> labels;
    labels.reserve(static_cast<std::size_t>(target.numel()));
    for (const double value : numbers_of(target)) {
        const bool valid = value >= 0 && value < static_cast<double>(most_classes) && value == std::floor(value);
        if (!valid && !(ignored && value == static_cast<double>(*ignored)))
            throw IndexError(message(op, ": label ", value, " is not a class (0, 1, 2, …)"));
        labels.push_back(static_cast<std::int64_t>(value));
    }
    return labels;
}

/// Throws IndexError when a label is not one of the classes that there are scores for.
inline void check_labels(std::string_view op, const std::vector<std::int64_t>& labels, std::int64_t classes,
                         std::optional<std::int64_t> ignored = {}) {
    for (const std::int64_t label : labels)
        if (label >= classes && label != ignored)
            throw IndexError(message(op, ": label ", label, " is not one of ", classes, " classes (0 to ", classes - 1, ")"));
}

/// Index of the greatest of c scores, `step` apart: the first of equals, or the first NaN.
inline std::int64_t greatest(const double* scores, std::int64_t c, std::int64_t step) {
    std::int64_t best = 0;
    for (std::int64_t j = 0; j < c; ++j) {
        if (std::isnan(scores[j * step])) return j;
        if (scores[j * step] > scores[best * step]) best = j;
    }
    return best;
}

inline ClassGuesses class_guesses(std::string_view op, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target,
                                  double threshold = 0.5, std::optional<std::int64_t> ignored = {}) {
    if (!(threshold >= 0 && threshold <= 1)) throw ValueError(message(op, ": the threshold must be between 0 and 1, but is ", threshold));
    ClassGuesses result;
    result.truth = labels_of(op, target, ignored);
    const std::size_t n = result.truth.size();
    if (are_scores(output, target)) {
        const auto x = numbers_of(output);
        result.classes = output.shape()[1];
        check_labels(op, result.truth, result.classes, ignored);
        std::int64_t inner = 1;
        for (int d = 2; d < output.shape().rank(); ++d) inner *= output.shape()[d];
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(n); ++i)
            result.guess.push_back(greatest(x.data() + i / inner * result.classes * inner + i % inner, result.classes, inner));
    } else if (!same_items(output, target)) {
        throw_other_shapes(op, output, target);
    } else if (!is_floating(output)) {
        result.guess = labels_of(op, output);
    } else {
        result.binary = true;
        result.classes = 2;
        check_labels(op, result.truth, 2, ignored);
        const double as_logit = std::log(threshold / (1 - threshold));
        for (const double x : numbers_of(output)) {
            result.outside = result.outside || x < 0 || x > 1;
            result.guess.push_back(x > threshold);
            result.logit_guess.push_back(x > as_logit);
        }
    }
    if (!ignored) return result;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n; ++i) {
        if (result.truth[i] == *ignored) continue;
        result.truth[kept] = result.truth[i];
        result.guess[kept] = result.guess[i];
        if (result.binary) result.logit_guess[kept] = result.logit_guess[i];
        ++kept;
    }
    result.truth.resize(kept);
    result.guess.resize(kept);
    if (result.binary) result.logit_guess.resize(kept);
    return result;
}

/// Counts made of guesses. Whether the numbers of a binary output are probabilities or logits may come out in a later batch only: both
/// are counted until then.
template <class Counts>
struct EitherCounts {
    Counts probability{}, logit{};
    bool outside = false;

    /// `add(counts, truth, guess)` may throw in its first call only.
    template <class Add>
    void update(const ClassGuesses& guesses, const Add& add) {
        add(probability, guesses.truth, guesses.guess);
        add(logit, guesses.truth, guesses.binary ? guesses.logit_guess : guesses.guess);
        outside = outside || guesses.outside;
    }
    /// `from_logits` is what the user says they are.
    const Counts& get(std::optional<bool> from_logits) const { return from_logits.value_or(outside) ? logit : probability; }
};

}  // namespace headtorch::train::detail
