// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How often classes are told rightly: accuracy, top-k accuracy, precision, recall, F1, confusion matrix. As scikit-learn counts them; what
/// would be divided by zero is 0.
///
/// Outputs are scores [n, c] (also [n, c, …] for labels [n, …]), probabilities or logits of class 1, [n] or [n, 1] (or of the labels' shape
/// [n, k], each of which is then a decision), or class indices. Numbers outside [0, 1] show that they are logits; say .from_logits where
/// it is known.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/tensor/tensor.hpp"
#include "headtorch/train/class_guesses.hpp"

namespace headtorch::train {

/// How the scores of single classes are made one number: that of class 1 alone; from the counts of all; their mean, or their mean
/// weighted by how often each class is true. Only classes that are true or guessed at least once take part.
enum class Average { binary, micro, macro, weighted };

struct ClassificationOptions {
    Average average = Average::binary;           ///< not for accuracy, which has none
    double threshold = 0.5;                      ///< a probability above it is class 1
    std::optional<bool> from_logits{};           ///< what the numbers of a binary output are
    std::optional<std::int64_t> ignore_index{};  ///< items with this label do not count
    std::string name = "";                       ///< in place of the usual one
};

/// Of each class; `support` is how often it is true.
struct ClassScores {
    std::vector<double> precision, recall, f1;
    std::vector<std::int64_t> support;
};

namespace detail {

struct ClassCounts {
    std::vector<std::int64_t> right, guessed, actual;  // of each class

    void add(const std::vector<std::int64_t>& truth, const std::vector<std::int64_t>& guess, std::int64_t classes) {
        for (const auto* labels : {&truth, &guess})
            for (const std::int64_t label : *labels) classes = std::max(classes, label + 1);
        const std::size_t size = std::max(right.size(), static_cast<std::size_t>(classes));
        for (auto* counts : {&right, &guessed, &actual}) counts->resize(size);
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const auto t = static_cast<std::size_t>(truth[i]), g = static_cast<std::size_t>(guess[i]);
            right[t] += t == g;
            ++guessed[g];
            ++actual[t];
        }
    }
};

inline double ratio(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}
inline std::int64_t total(const std::vector<std::int64_t>& counts) {
    std::int64_t sum = 0;
    for (const std::int64_t count : counts) sum += count;
    return sum;
}
inline double precision_of(std::int64_t right, std::int64_t guessed, std::int64_t) { return ratio(right, guessed); }
inline double recall_of(std::int64_t right, std::int64_t, std::int64_t actual) { return ratio(right, actual); }
inline double f1_of(std::int64_t right, std::int64_t guessed, std::int64_t actual) { return ratio(2 * right, guessed + actual); }

using ClassFormula = double (*)(std::int64_t right, std::int64_t guessed, std::int64_t actual);

/// Base of what is made from the counts of each class.
class ClassMetric : public NumberMetric {
public:
    void reset() override { counts_ = {}; }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        const ClassGuesses guesses = class_guesses(name(), output, target, options_.threshold, options_.ignore_index);
        if (averaged_ && options_.average == Average::binary) {
            std::int64_t classes = guesses.classes;
            for (const auto* labels : {&guesses.truth, &guesses.guess})
                for (const std::int64_t label : *labels) classes = std::max(classes, label + 1);
            if (classes > 2)
                throw ValueError(message(name(), ": there are ", classes, " classes, and the average is Average::binary: choose micro, ",
                                         "macro or weighted"));
        }
        counts_.update(guesses,
                       [&](ClassCounts& counts, const auto& truth, const auto& guess) { counts.add(truth, guess, guesses.classes); });
    }
    /// Precision, recall and F1 of each class.
    ClassScores per_class() const {
        const ClassCounts& c = counts();
        ClassScores scores;
        for (std::size_t k = 0; k < c.right.size(); ++k) {
            scores.precision.push_back(precision_of(c.right[k], c.guessed[k], c.actual[k]));
            scores.recall.push_back(recall_of(c.right[k], c.guessed[k], c.actual[k]));
            scores.f1.push_back(f1_of(c.right[k], c.guessed[k], c.actual[k]));
        }
        scores.support = c.actual;
        return scores;
    }

protected:
    ClassMetric(ClassificationOptions options, std::string usual_name, bool averaged)
        : NumberMetric(options.name.empty() ? std::move(usual_name) : options.name), options_(std::move(options)), averaged_(averaged) {}

    const ClassCounts& counts() const { return counts_.get(options_.from_logits); }
    double averaged(ClassFormula formula) const {
        const ClassCounts& c = counts();
        const std::int64_t items = total(c.actual);
        if (items == 0) return std::numeric_limits<double>::quiet_NaN();
        if (options_.average == Average::micro) return formula(total(c.right), total(c.guessed), items);
        if (options_.average == Average::binary) return c.right.size() > 1 ? formula(c.right[1], c.guessed[1], c.actual[1]) : 0;
        double sum = 0, weights = 0;
        for (std::size_t k = 0; k < c.right.size(); ++k) {
            if (c.guessed[k] + c.actual[k] == 0) continue;
            const double weight = options_.average == Average::macro ? 1 : static_cast<double>(c.actual[k]);
            sum += weight * formula(c.right[k], c.guessed[k], c.actual[k]);
            weights += weight;
        }
        return sum / weights;
    }

private:
    ClassificationOptions options_;
    bool averaged_;
    EitherCounts<ClassCounts> counts_;
};

}  // namespace detail

/// The share of items whose class is told rightly.
class Accuracy final : public detail::ClassMetric {
public:
    explicit Accuracy(ClassificationOptions options = {}) : ClassMetric(std::move(options), "accuracy", false) {}
    double compute() const override {
        const std::int64_t items = detail::total(counts().actual);
        return items == 0 ? std::numeric_limits<double>::quiet_NaN() : detail::ratio(detail::total(counts().right), items);
    }
};
/// Of what is taken for a class, the share that is of it.
class Precision final : public detail::ClassMetric {
public:
    explicit Precision(ClassificationOptions options = {}) : ClassMetric(std::move(options), "precision", true) {}
    double compute() const override { return averaged(detail::precision_of); }
};
/// Of what is of a class, the share that is taken for it.
class Recall final : public detail::ClassMetric {
public:
    explicit Recall(ClassificationOptions options = {}) : ClassMetric(std::move(options), "recall", true) {}
    double compute() const override { return averaged(detail::recall_of); }
};
/// The harmonic mean of precision and recall.
class F1Score final : public detail::ClassMetric {
public:
    explicit F1Score(ClassificationOptions options = {}) : ClassMetric(std::move(options), "f1", true) {}
    double compute() const override { return averaged(detail::f1_of); }
};

/// The share of items whose true class is among the k that have the greatest scores. Among equal scores the later class comes first, as in
/// scikit-learn; NaN is never among them.
class TopKAccuracy final : public NumberMetric {
public:
    explicit TopKAccuracy(std::int64_t k = 5, std::string name = "")
        : NumberMetric(name.empty() ? message("top_", k, "_accuracy") : std::move(name)), k_(k) {
        if (k < 1) throw ValueError(message("top_k_accuracy: k must be at least 1, but is ", k));
    }
    void reset() override { right_ = items_ = 0; }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        if (!detail::are_scores(output, target) || output.shape().rank() != 2)
            throw ShapeError(message(name(), ": takes scores [n, classes] and labels [n], not ", output.shape(), " and ", target.shape()));
        const auto labels = detail::labels_of(name(), target);
        const auto c = static_cast<std::size_t>(output.shape()[1]);
        detail::check_labels(name(), labels, static_cast<std::int64_t>(c));
        const auto scores = detail::numbers_of(output);
        for (std::size_t i = 0; i < labels.size(); ++i) {
            const double* row = scores.data() + i * c;
            const auto label = static_cast<std::size_t>(labels[i]);
            std::int64_t before = 0;
            for (std::size_t j = 0; j < c; ++j) before += row[j] > row[label] || (row[j] == row[label] && j > label);
            right_ += before < k_ && row[label] == row[label];
        }
        items_ += static_cast<std::int64_t>(labels.size());
    }
    double compute() const override { return items_ == 0 ? std::numeric_limits<double>::quiet_NaN() : detail::ratio(right_, items_); }

private:
    std::int64_t k_, right_ = 0, items_ = 0;
};

/// How often each class is taken for each: element (i, j) counts the items of class i that are taken for j.
class ConfusionMatrix final : public Metric {
public:
    /// Without a number of classes, there are as many as labels, guesses and scores show.
    explicit ConfusionMatrix(std::int64_t classes = 0, ClassificationOptions options = {})
        : classes_(classes), options_(std::move(options)) {
        if (classes < 0 || classes > most)
            throw ValueError(message("confusion_matrix: the number of classes must be between 0 and ", most, ", but is ", classes));
    }
    void reset() override { counts_ = {}; }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        constexpr std::string_view op = "confusion_matrix";
        const auto guesses = detail::class_guesses(op, output, target, options_.threshold, options_.ignore_index);
        std::int64_t size = std::max(classes_, guesses.classes);
        for (const auto* labels : {&guesses.truth, &guesses.guess})
            for (const std::int64_t label : *labels) size = std::max(size, label + 1);
        if (classes_ > 0 && size > classes_) throw IndexError(message(op, ": class ", size - 1, " is not one of ", classes_));
        if (size > most) throw IndexError(message(op, ": class ", size - 1, " is more than a matrix of ", most, " classes holds"));
        counts_.update(guesses, [&](Counts& counts, const auto& truth, const auto& guess) {
            counts.grow(size);
            for (std::size_t i = 0; i < truth.size(); ++i) ++counts.values[static_cast<std::size_t>(truth[i] * counts.size + guess[i])];
        });
    }
    /// [classes, classes].
    Tensor<std::int64_t, Cpu> compute() const {
        const Counts& counts = counts_.get(options_.from_logits);
        const std::int64_t size = std::max(classes_, counts.size);
        Tensor<std::int64_t, Cpu> matrix = empty<std::int64_t, Cpu>({size, size});
        std::fill_n(matrix.data(), matrix.numel(), std::int64_t{0});
        if (!counts.values.empty()) std::copy(counts.values.begin(), counts.values.end(), matrix.data());
        return matrix;
    }
    /// A matrix is no number for a table: ask for it afterwards.
    void report(Numbers&, const std::string&) const override {}

private:
    static constexpr std::int64_t most = 4096;
    struct Counts {
        std::vector<std::int64_t> values;
        std::int64_t size = 0;

        void grow(std::int64_t wanted) {
            if (wanted <= size) return;
            std::vector<std::int64_t> larger(static_cast<std::size_t>(wanted * wanted));
            for (std::int64_t i = 0; i < size; ++i) std::copy_n(values.begin() + i * size, size, larger.begin() + i * wanted);
            values = std::move(larger);
            size = wanted;
        }
    };
    std::int64_t classes_;
    ClassificationOptions options_;
    detail::EitherCounts<Counts> counts_;
};

namespace detail {
/// A metric of tensors that are there at once; messages start with `op`.
template <class M>
M class_metric_of(const char* op, ClassificationOptions options, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    options.name = op;
    M metric(std::move(options));
    metric.update(output, target);
    return metric;
}
}  // namespace detail

/// The same of tensors that are there at once: `accuracy(net(x), labels)`.
inline double accuracy(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target, ClassificationOptions options = {}) {
    return detail::class_metric_of<Accuracy>("accuracy", std::move(options), output, target).compute();
}
inline double precision_score(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target, ClassificationOptions options = {}) {
    return detail::class_metric_of<Precision>("precision_score", std::move(options), output, target).compute();
}
inline double recall_score(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target, ClassificationOptions options = {}) {
    return detail::class_metric_of<Recall>("recall_score", std::move(options), output, target).compute();
}
inline double f1_score(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target, ClassificationOptions options = {}) {
    return detail::class_metric_of<F1Score>("f1_score", std::move(options), output, target).compute();
}
/// Of each class by itself.
inline ClassScores precision_recall_fscore_support(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target,
                                                   ClassificationOptions options = {}) {
    return detail::class_metric_of<Accuracy>("precision_recall_fscore_support", std::move(options), output, target).per_class();
}
inline double top_k_accuracy(const nn::AnyTensorHandle& scores, const nn::AnyTensorHandle& labels, std::int64_t k = 5) {
    TopKAccuracy metric(k, "top_k_accuracy");
    metric.update(scores, labels);
    return metric.compute();
}
/// [classes, classes]; true classes go down, guessed ones across.
inline Tensor<std::int64_t, Cpu> confusion_matrix(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target,
                                                  std::int64_t classes = 0, ClassificationOptions options = {}) {
    ConfusionMatrix metric(classes, std::move(options));
    metric.update(output, target);
    return metric.compute();
}

}  // namespace headtorch::train
