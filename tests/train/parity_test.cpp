// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Traces that tests/parity/make_traces.py made, against ports that are right and against ports with one mistake each.
#include "headtorch/train/parity.hpp"

#include <cmath>
#include <fstream>
#include <string>

#include "headtorch/headtorch.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::string trace(const std::string& name) { return std::string(HEADTORCH_TESTS_DIR "/parity/data/") + name + ".safetensors"; }

// The networks of tests/parity/make_traces.py. `mistake` is what forward() gets wrong. -------------------------------------------

struct LeNet : nn::Module<LeNet> {
    nn::Conv2d<> conv1{nn::ConvLayerOptions<2>{.in_channels = 1, .out_channels = 3, .kernel_size = 3, .padding = 1}};
    nn::BatchNorm2d<> bn1{3, 1e-3};
    nn::LeakyReLU act1{0.2};
    nn::MaxPool2d<> pool1{2};
    nn::Conv2d<> conv2{3, 4, 3};
    nn::ELU act2{0.5};
    nn::AvgPool2d pool2{2};
    nn::Flatten flatten;
    nn::Linear<> fc1{16, 8};
    nn::ReLU act3;
    nn::Dropout dropout{0.25};
    nn::Linear<> fc2{8, 3};
    std::string mistake;

    Tensor<> forward(const Tensor<>& input) {
        Tensor<> x = conv1(input);
        if (mistake == "order")
            x = bn1(act1(x));
        else if (mistake == "missing layer")
            x = act1(x);
        else if (mistake == "activation twice")
            x = relu(act1(bn1(x)));
        else
            x = act1(bn1(x));
        x = mistake == "other pool" ? nn::AvgPool2d(2)(x) : pool1(x);
        x = pool2(act2(conv2(x)));
        if (mistake == "flatten order") x = x.permute(0, 2, 3, 1);
        if (mistake == "detach") x = x.detach();
        x = act3(fc1(mistake == "flatten order" ? x.flatten(1) : flatten(x)));
        x = fc2(dropout(x));
        return mistake == "scale" ? x * 0.5f : mistake == "softmax" ? x.softmax(1) : x;
    }
};

/// A layer of one's own, with its weight as PyTorch has it or the other way round.
template <class T>
struct Matrix : nn::Module<Matrix<T>> {
    nn::Parameter<T> weight, bias;
    bool transposed, with_bias = true;
    Matrix(std::int64_t inputs, std::int64_t outputs, bool as_pytorch = true)
        : weight(as_pytorch ? zeros<T>({outputs, inputs}) : zeros<T>({inputs, outputs})),
          bias(zeros<T>({outputs})),
          transposed(as_pytorch) {}
    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    Tensor<T> forward(const Tensor<T>& x) const {
        const Tensor<T> y = matmul(x, transposed ? weight.t() : weight.detach());
        return with_bias ? y + bias : y;
    }
};
/// A layer normalisation of one's own, which prints nothing of itself.
template <class T>
struct Norm : nn::Module<Norm<T>> {
    nn::Parameter<T> weight{ones<T>({6})}, bias{zeros<T>({6})};
    double eps = 1e-6;
    Tensor<T> forward(const Tensor<T>& x) const { return layer_norm(x, {6}, weight, bias, eps); }
};
template <class T, bool turned = false>
struct Mlp : nn::Module<Mlp<T, turned>> {
    Matrix<T> fc1{4, 6, !turned};
    Norm<T> norm;
    nn::GELU gelu{"tanh"};
    Matrix<T> mix{6, 6};
    nn::Linear<T> fc2{6, 1};
    std::string mistake;
    Tensor<T> forward(const Tensor<T>& input) {
        Tensor<T> x = gelu(norm(fc1(input)));
        const Tensor<T> y = mistake == "no tanh" ? mix(x) : mistake == "relu" ? relu(mix(x)) : tanh(mix(x));
        x = mistake == "no residual" ? y : x + y;
        return mistake == "no sigmoid" ? fc2(x) : sigmoid(fc2(x));
    }
};

struct Tagger : nn::Module<Tagger> {
    nn::Embedding<> embedding{7, 6};
    nn::LSTM<> lstm;
    nn::MultiheadAttention<> attention;
    nn::Linear<> fc{6, 4};
    nn::LogSoftmax log_softmax;
    explicit Tagger(bool batch_first = true, std::int64_t heads = 2, std::int64_t dim = 1)
        : lstm(6, 6, {.batch_first = batch_first}), attention(6, heads, {.batch_first = true}), log_softmax(dim) {}
    auto fields() { return nn::fields("embedding", embedding, "lstm", lstm, "attention", attention, "fc", fc, "log_softmax", log_softmax); }
    Tensor<> forward(const Tensor<std::int64_t>& tokens) {
        const auto [x, state] = lstm(embedding(tokens));
        return log_softmax(fc(attention(x, x, x).first.mean(1)));
    }
};

struct Images : nn::Module<Images> {
    nn::Conv2d<> conv{nn::ConvLayerOptions<2>{
        .in_channels = 2, .out_channels = 4, .kernel_size = 3, .padding = 1, .bias = false, .padding_mode = "reflect"}};
    nn::GroupNorm<> norm{2, 4};
    nn::Upsample up{nn::UpsampleOptions{.scale_factor = 2, .mode = "bilinear", .align_corners = true}};
    nn::Linear<> fc{4 * 8 * 6, 2};
    bool channels_last = true;
    Tensor<> forward(Tensor<> x) {
        x = up(relu(norm(conv(x))));
        return fc(channels_last ? x.permute(0, 2, 3, 1).flatten(1) : x.flatten(1));
    }
};
const train::ParityOptions<float> fourth_power{
    .loss = [](const Tensor<>& y, const train::ParityTensors& targets) { return (y - targets.get<float>(0)).pow(4).mean(); }};

// What is expected. -----------------------------------------------------------------------------------------------------------------

void check_right(const train::ParityReport& report) {
    INFO(report.text);
    CHECK(report.ok);
    CHECK_FALSE(report.first_difference);
    CHECK_THAT(report.text, contains("no difference"));
}
void check_wrong(const train::ParityReport& report, const std::string& layer, const std::string& what, const std::string& cause) {
    INFO(report.text);
    CHECK_FALSE(report);
    REQUIRE(report.first_difference);
    CHECK(report.first_difference->layer == layer);
    CHECK_THAT(report.first_difference->what, contains(what));
    CHECK_THAT(report.first_difference->cause, contains(cause));
    CHECK_THAT(report.text, contains(report.first_difference->cause));
}
template <class Net, class Change>
void check_mistake(const std::string& file, const std::string& layer, const std::string& what, const std::string& cause,
                   const Change& change, bool training = true) {
    Net net;
    net.train(training);
    change(net);
    check_wrong(train::check_parity(net, trace(file)), layer, what, cause);
}
auto mistaken(const char* mistake) {
    return [mistake](auto& net) { net.mistake = mistake; };
}

}  // namespace

TEST_CASE("a right port agrees with PyTorch in all, and is left as it was", "[parity]") {
    LeNet net;
    const nn::StateDict before = net.state_dict().clone();
    manual_seed(7);
    const auto report = train::check_parity(net, trace("lenet_train"));
    check_right(report);
    const auto count = [&](const std::string& start) {
        return std::count_if(report.rows.begin(), report.rows.end(), [&](const auto& row) { return row.what.starts_with(start); });
    };
    CHECK(count("output") == 13);
    CHECK(count("loss") == 3);
    CHECK(count("gradient of its output") == 13);
    CHECK(count("gradient of") == 13 + 10);
    CHECK(count("change of") == 2 * 13);
    CHECK(report.notes.empty());

    for (const auto& [name, tensor] : net.state_dict())
        if (tensor.is<float>()) CHECK(tensor.get<float>().tolist() == before.get<float>(name).tolist());
    CHECK(net.is_training());
    CHECK(net.dropout.training);
    CHECK_FALSE(net.fc1.weight.grad().defined());
    const auto next = rand({3}).tolist();
    manual_seed(7);
    CHECK(rand({3}).tolist() == next);
}

TEST_CASE("other right ports", "[parity]") {
    LeNet evaluated;
    evaluated.eval();
    check_right(train::check_parity(evaluated, trace("lenet_eval")));
    Mlp<double> mlp;
    check_right(train::check_parity(mlp, trace("mlp")));
    Tagger tagger;
    check_right(train::check_parity(tagger, trace("tagger")));
    Images images;
    check_right(train::check_parity(images, trace("images"), fourth_power));
}

TEST_CASE("a port in float of a trace in double", "[parity]") {
    Mlp<float> net;
    const auto report = train::check_parity(net, trace("mlp"));
    check_right(report);
    CHECK_THAT(report.text, contains("the trace is of float64, the module here of float32"));
}

TEST_CASE("options that a layer prints", "[parity]") {
    check_mistake<LeNet>("lenet_train", "bn1", "output", "eps=1e-05 here, eps=0.001 in PyTorch", [](LeNet& net) { net.bn1.eps = 1e-5; });
    check_mistake<LeNet>("lenet_train", "act1", "output", "negative_slope=0.01 here, negative_slope=0.2 in PyTorch",
                         [](LeNet& net) { net.act1.negative_slope = 0.01; });
    check_mistake<LeNet>("lenet_train", "act2", "output", "alpha=1.0 here, alpha=0.5", [](LeNet& net) { net.act2.alpha = 1; });
    check_mistake<LeNet>("lenet_train", "conv1", "output", "without it here, padding=(1, 1) in PyTorch",
                         [](LeNet& net) { net.conv1.padding = 0; });
    check_mistake<LeNet>("lenet_train", "bn1", "change of running_mean", "momentum=0.01 here, momentum=0.1",
                         [](LeNet& net) { net.bn1.momentum = 0.01; });
    check_mistake<Mlp<double>>("mlp", "gelu", "output", "approximate='none' here, approximate='tanh'",
                               [](auto& net) { net.gelu.approximate = "none"; });
    Images zeros;
    zeros.conv.padding_mode = "zeros";
    check_wrong(train::check_parity(zeros, trace("images"), fourth_power), "conv", "output", "padding_mode=reflect in PyTorch");
    Images groups;
    groups.norm.num_groups = 1;
    check_wrong(train::check_parity(groups, trace("images"), fourth_power), "norm", "output", "1 here, 2 in PyTorch");
    Tagger steps_first(false);
    check_wrong(train::check_parity(steps_first, trace("tagger")), "lstm", "output", "batch_first=True in PyTorch");
    Tagger other_dim(true, 2, 0);
    check_wrong(train::check_parity(other_dim, trace("tagger")), "log_softmax", "output", "dim=0 here, dim=1 in PyTorch");
}

TEST_CASE("options that a layer does not print", "[parity]") {
    Images images;
    images.up.align_corners = false;
    check_wrong(train::check_parity(images, trace("images"), fourth_power), "up", "output", "align_corners=False here, align_corners=True");
    Tagger heads(true, 3);
    check_wrong(train::check_parity(heads, trace("tagger")), "attention", "output", "num_heads=3 here, num_heads=2");
    check_mistake<Mlp<double>>("mlp", "norm", "output", "eps=0.001 fits what comes out here, eps=1e-06",
                               [](auto& net) { net.norm.eps = 1e-3; });
}

TEST_CASE("an option without effect on what was traced is told", "[parity]") {
    LeNet net;
    net.dropout.p = 0.5;
    const auto report = train::check_parity(net, trace("lenet_train"));
    check_right(report);
    CHECK_THAT(report.text, contains("note: dropout (Dropout): p=0.5 here, p=0.25 in PyTorch"));
}

TEST_CASE("the mode", "[parity]") {
    const auto nothing = [](LeNet&) {};
    check_mistake<LeNet>("lenet_eval", "bn1", "output", "call net.eval()", nothing);
    check_mistake<LeNet>("lenet_train", "bn1", "output", "call net.train()", nothing, false);
    check_mistake<LeNet>(
        "lenet_eval", "dropout", "output", "training mode here", [](LeNet& net) { net.dropout.training = true; }, false);
}

TEST_CASE("weights", "[parity]") {
    Mlp<double, true> turned;
    check_wrong(train::check_parity(turned, trace("mlp")), "fc1", "weight", "a transposed weight");
    CHECK(train::check_parity(turned, trace("mlp")).rows.size() > 5);  // the rest is compared, with the weight turned
    check_mistake<Mlp<double>>("mlp", "mix", "output", "a transposed weight", [](auto& net) { net.mix.transposed = false; });
    check_mistake<Mlp<double>>("mlp", "mix", "output", "bias is not added", [](auto& net) { net.mix.with_bias = false; });

    LeNet fresh;
    check_wrong(train::check_parity(fresh, trace("lenet_train"), {.load = false}), "conv1", "weight", "were not loaded");
    LeNet loaded;
    nn::StateDict weights;
    for (const auto& [name, tensor] : io::load_safetensors(trace("lenet_train")))
        if (name.starts_with("weight.")) weights.set(name.substr(7), tensor);
    loaded.load_state_dict(weights);
    check_right(train::check_parity(loaded, trace("lenet_train"), {.load = false}));
}

namespace {
struct Renamed : nn::Module<Renamed> {
    LeNet features;
    Tensor<> forward(const Tensor<>& x) { return features(x); }
};
struct Wide : nn::Module<Wide> {
    nn::Conv2d<> conv1{1, 3, 5};
    Tensor<> forward(const Tensor<>& x) { return conv1(x); }
};
struct NoBias : nn::Module<NoBias> {
    nn::Linear<double> fc1{4, 6, false};
    Tensor<double> forward(const Tensor<double>& x) { return fc1(x); }
};
struct PlainTensor : nn::Module<PlainTensor> {
    struct Layer : nn::Module<Layer> {
        Tensor<double> weight = zeros<double>({6, 4});
        nn::Parameter<double> bias{zeros<double>({6})};
    } fc1;
    Tensor<double> forward(const Tensor<double>& x) { return matmul(x, fc1.weight.t()) + fc1.bias; }
};
struct OneLayer : nn::Module<OneLayer> {
    nn::Linear<double> layer{4, 6};
    Tensor<double> forward(const Tensor<double>& x) { return layer(x); }
};
}  // namespace

TEST_CASE("names and shapes", "[parity]") {
    Renamed renamed;
    const auto report = train::check_parity(renamed, trace("lenet_train"));
    check_wrong(report, "conv1", "weight", ".rename = {{\"conv1.\", \"features.conv1.\"}}");
    CHECK_THAT(report.text, contains("fc2.bias (float32 [3] in PyTorch, missing here)"));
    check_right(train::check_parity(renamed.features, trace("lenet_train")));
    io::RenameRules rules;
    for (const char* name :
         {"conv1.", "bn1.", "act1.", "pool1.", "conv2.", "act2.", "pool2.", "flatten.", "fc1.", "act3.", "dropout.", "fc2."})
        rules.emplace_back(name, std::string("features.") + name);
    check_right(train::check_parity(renamed, trace("lenet_train"), {.rename = rules}));

    Wide wide;
    check_wrong(train::check_parity(wide, trace("lenet_train")), "conv1", "weight",
                "kernel_size=(5, 5) here, kernel_size=(3, 3) in PyTorch");
    NoBias without;
    check_wrong(train::check_parity(without, trace("mlp")), "fc1", "bias", "bias=False here, bias=True in PyTorch");
    PlainTensor plain;
    check_wrong(train::check_parity(plain, trace("mlp")), "fc1", "weight", "no nn::Parameter or nn::Buffer of that name");
    OneLayer one;
    check_wrong(train::check_parity(one, trace("mlp")), "fc1", "weight", "it may be layer here");
}

TEST_CASE("what happens between the layers", "[parity]") {
    check_mistake<LeNet>("lenet_train", "act1", "input", "does not call bn1 (BatchNorm2d)", mistaken("missing layer"));
    check_mistake<LeNet>("lenet_train", "bn1", "input", "another order of calls: here act1, bn1", mistaken("order"));
    check_mistake<LeNet>("lenet_train", "pool1", "input", "forward() here relu of the output of act1", mistaken("activation twice"));
    check_mistake<LeNet>("lenet_train", "conv2", "input", "avg_pool2d by 2 of the output of act1", mistaken("other pool"));
    check_mistake<LeNet>("lenet_train", "fc1", "input", "dimensions in the order [0, 2, 3, 1]", mistaken("flatten order"));
    check_mistake<LeNet>("lenet_train", "", "output", "multiplication by 0.5", mistaken("scale"));
    check_mistake<LeNet>("lenet_train", "", "output", "softmax of the output of fc2", mistaken("softmax"));
    check_mistake<Mlp<double>>(
        "mlp", "fc2", "input",
        "PyTorch gives it the sum of tanh of the output of mix (Linear) and the output of gelu (GELU), forward() here tanh of",
        mistaken("no residual"));
    check_mistake<Mlp<double>>("mlp", "fc2", "input", "forward() here the sum of the output of mix", mistaken("no tanh"));
    check_mistake<Mlp<double>>("mlp", "", "output",
                               "PyTorch returns sigmoid of the output of fc2 (Linear), forward() here the output of fc2",
                               mistaken("no sigmoid"));
    Images images;
    images.channels_last = false;
    check_wrong(
        train::check_parity(images, trace("images"), fourth_power), "fc", "input",
        "PyTorch gives it the output of up (Upsample) with its dimensions in the order [0, 2, 3, 1], forward() here the output of up");
}

TEST_CASE("loss, gradients, optimiser", "[parity]") {
    LeNet net;
    const auto with_reduction = [](Reduction reduction) {
        return train::ParityOptions<float>{.loss = [=](const Tensor<>& y, const train::ParityTensors& targets) {
            return nn::cross_entropy(y, targets.get<std::int64_t>(0), {.reduction = reduction, .label_smoothing = 0.1});
        }};
    };
    check_right(train::check_parity(net, trace("lenet_train"), with_reduction(Reduction::mean)));
    check_wrong(train::check_parity(net, trace("lenet_train"), with_reduction(Reduction::sum)), "", "loss",
                "here it is as with reduction='sum'");
    check_wrong(train::check_parity(
                    net, trace("lenet_train"),
                    {.loss = [](const Tensor<>& y,
                                const train::ParityTensors& targets) { return nn::cross_entropy(y, targets.get<std::int64_t>(0)); }}),
                "", "loss", "here it is CrossEntropyLoss with reduction='mean' and no other options, in PyTorch CrossEntropyLoss with");
    check_mistake<LeNet>("lenet_train", "flatten", "gradient of its output", "nothing flows back here", mistaken("detach"));
    LeNet frozen;
    frozen.fc1.requires_grad_(false);
    check_wrong(train::check_parity(frozen, trace("lenet_train")), "fc1", "gradient of weight", "requires_grad is off");

    optim::SGD right(net.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01});
    check_right(train::check_parity(net, trace("lenet_train"), {.step = [&] { right.step(); }}));
    optim::SGD fast(net.parameters(), {.lr = 0.2, .momentum = 0.9, .weight_decay = 0.01});
    check_wrong(train::check_parity(net, trace("lenet_train"), {.step = [&] { fast.step(); }}), "conv1", "change of weight in 1 step",
                "it changes 2 times as much as in PyTorch: another learning rate? PyTorch's optimiser is SGD with");
    optim::SGD still(net.parameters(), {.lr = 0.1, .weight_decay = 0.01});
    check_wrong(train::check_parity(net, trace("lenet_train"), {.step = [&] { still.step(); }}), "", "loss after 2 steps", "");
    Images images;
    CHECK_THROWS_WITH(train::check_parity(images, trace("images")), contains("the loss <lambda> is not known here: pass it as .loss"));
}

TEST_CASE("what is frozen in PyTorch is trained here", "[parity]") {
    io::StateFile file = io::read_safetensors(trace("lenet_train"));
    std::string& record = file.metadata.at("record");
    const std::string from = "\"trainable\": [\"conv1.weight\", ";
    REQUIRE(record.find(from) != std::string::npos);
    record.replace(record.find(from), from.size(), "\"trainable\": [");
    const TemporaryFolder folder;
    io::save_safetensors(folder.path("frozen.safetensors"), file.state, file.metadata);
    LeNet net;
    check_wrong(train::check_parity(net, folder.path("frozen.safetensors")), "conv1", "requires_grad",
                "requires_grad_(false) is missing here");
    net.conv1.weight.requires_grad_(false);
    CHECK(train::check_parity(net, folder.path("frozen.safetensors")).first_difference->what == "gradient of weight");
}

TEST_CASE("a forward that throws is told with all that agreed before", "[parity]") {
    LeNet net;
    net.pool1 = nn::MaxPool2d<>(3);
    const auto report = train::check_parity(net, trace("lenet_train"));
    check_wrong(report, "pool1", "output", "kernel_size=3 here, kernel_size=2 in PyTorch");
    CHECK_THAT(report.text, contains("has shape [2, 3, 4, 4] here, [2, 3, 6, 6] in PyTorch"));
    CHECK_THAT(report.text, contains("forward() threw: le_net.fc1"));
}

TEST_CASE("files are not trusted", "[parity]") {
    LeNet net;
    const auto refused = [&](const std::string& path, const std::string& text) {
        try {
            train::check_parity(net, path);
            FAIL("not refused: " << text);
        } catch (const IoError& error) {
            CHECK_THAT(error.what(), contains(text));
        }
    };
    const TemporaryFolder folder;
    const auto scratch = [&](const std::string& name) { return folder.path(name); };
    refused(scratch("missing.safetensors"), "missing.safetensors");
    std::ifstream in(trace("lenet_train"), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{300}, bytes.size() - 1}) {
        std::ofstream(scratch("cut.safetensors"), std::ios::binary) << bytes.substr(0, size);
        refused(scratch("cut.safetensors"), "cut.safetensors");
    }
    io::StateFile file = io::read_safetensors(trace("lenet_train"));
    const std::string record = file.metadata.at("record");
    const auto changed = [&](const std::string& from, const std::string& to, const std::string& text) {
        const std::size_t at = record.find(from);
        REQUIRE(at != std::string::npos);
        file.metadata["record"] = record.substr(0, at) + to + record.substr(at + from.size());
        io::save_safetensors(scratch("changed.safetensors"), file.state, file.metadata);
        refused(scratch("changed.safetensors"), text);
    };
    changed("{", "[", "not a JSON object");
    changed("\"calls\"", "\"callz\"", "lacks calls");
    changed("\"value.0\"", "\"nothing\"", "lacks the tensor \"nothing\"");
    changed("\"events\": [1, ", "\"events\": [99, ", "a call that is not there");
    changed("\"events\": [1, ", "\"events\": [-1, ", "not nested");
    changed("\"dtype\": \"float32\"", "\"dtype\": \"float16\"", "\"float16\"");
    changed("\"steps\": 3", "\"steps\": 7", "3 losses of 7 steps");
    changed("\"training\": true", "\"training\": 1", "neither true nor false");
    changed("\"seed\": 0", "\"seed\": -1", "seed");
    file.metadata["format"] = "headtorch parity 2";
    changed("{", "{", "another version");
    file.metadata.erase("format");
    changed("{", "{", "no trace, though safetensors");
}
