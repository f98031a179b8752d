// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Recorded work: values, memory, random numbers, errors, and whole training steps.

#include "headtorch/cuda.hpp"

#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Net : nn::Module<Net> {
    nn::Linear<float, Cuda> fc1{4, 16}, fc2{16, 3};
    Tensor<float, Cuda> forward(const Tensor<float, Cuda>& x) { return fc2(tanh(fc1(x))); }
};

std::vector<float> weights_of(Net& net) {
    std::vector<float> all;
    for (const auto& p : net.parameters())
        for (const float value : p.tolist()) all.push_back(value);
    return all;
}

}  // namespace

TEST_CASE("a graph does again what it recorded", "[cuda]") {
    const auto x = full<float, Cuda>({100}, 1.0f), y = zeros<float, Cuda>({100});
    cuda::Graph graph;
    CHECK_THROWS_WITH(graph.replay(), contains("Graph::replay: nothing was captured yet"));
    graph.capture([&] { y.copy_(x * 2.0f + y); });
    CHECK(graph.captured());
    CHECK(y.tolist() == std::vector<float>(100, 0.0f));  // recorded, not done
    graph.replay();
    graph.replay();
    CHECK(y.tolist() == std::vector<float>(100, 4.0f));
    x.fill_(10.0f);
    graph.replay();
    CHECK(y.tolist() == std::vector<float>(100, 24.0f));
    cuda::Graph moved = std::move(graph);
    moved.replay();
    CHECK(y.tolist()[0] == 44.0f);
    moved.reset();
    CHECK(!moved.captured());
}

TEST_CASE("nobody else gets a graph's memory", "[cuda]") {
    const auto y = zeros<float, Cuda>({1000});
    cuda::Graph graph;
    auto x = full<float, Cuda>({1000}, 3.0f);
    graph.capture([&] {
        const auto a = x * 2.0f, b = a + 1.0f;
        y.copy_(a * b);
        x = {};  // read by the graph, and given back while it is recorded
    });
    std::vector<Tensor<float, Cuda>> others;
    for (int i = 0; i < 50; ++i) others.push_back(full<float, Cuda>({1000}, -1.0f));
    graph.replay();
    CHECK(y.tolist() == std::vector<float>(1000, 42.0f));
    for (const auto& other : others) CHECK(other.tolist() == std::vector<float>(1000, -1.0f));
}

TEST_CASE("memory that other streams use does not disturb a recording", "[cuda]") {
    const auto x = full<float, Cuda>({1000}, 1.0f), y = zeros<float, Cuda>({1000});
    auto& allocator = cuda::Allocator::instance();
    const auto side = cuda::Stream::create();
    cuda::Graph graph;
    graph.capture([&] {
        std::thread([&] {  // as a loader does that fetches the next batch meanwhile
            void* block = allocator.allocate(1 << 22);
            allocator.record_stream(block, side);
            allocator.deallocate(block);
        }).join();
        (void)cuda::Stream::create();
        // work that leaves for another stream and comes back, on memory of the recording's own
        const auto a = x * 2.0f;
        cuda::Event forked, joined;
        forked.record();
        forked.wait(side);
        auto b = zeros_like(a);
        {
            const cuda::StreamGuard guard(side);
            b = a + 1.0f;
        }
        joined.record(side);
        joined.wait();
        void* shared = allocator.allocate(1 << 12);
        allocator.record_stream(shared, side);
        allocator.deallocate(shared);
        y.copy_(b);
    });
    graph.replay();
    CHECK(y.tolist() == std::vector<float>(1000, 3.0f));
    CHECK((x + x).tolist() == std::vector<float>(1000, 2.0f));
    graph.reset();
    cuda::empty_cache();
    CHECK((x + x).tolist() == std::vector<float>(1000, 2.0f));
}

TEST_CASE("what waits for the device cannot be recorded, and does no harm", "[cuda]") {
    const auto x = full<float, Cuda>({10}, 1.0f);
    cuda::Graph graph;
    CHECK_THROWS_AS(graph.capture([&] { (void)sum(x).item(); }), CudaError);
    CHECK(!graph.captured());
    CHECK((x + x).tolist() == std::vector<float>(10, 2.0f));
    CHECK_THROWS_AS(graph.capture([&] { throw ValueError("mine"); }), ValueError);
    CHECK_THROWS_WITH(graph.capture([&] { x.copy_(ones<float, Cpu>({10}).to<Cuda>()); }),
                      contains("a graph cannot record a copy from the host"));
    graph.capture([&] { x.copy_(x + 1.0f); });
    graph.replay();
    CHECK(x.tolist() == std::vector<float>(10, 2.0f));
}

TEST_CASE("random numbers are new at each replay", "[cuda]") {
    const auto x = zeros<float, Cuda>({1000});
    cuda::Graph graph;
    graph.capture([&] { x.uniform_(); });
    graph.replay();
    const auto first = x.tolist();
    graph.replay();
    const auto second = x.tolist();
    CHECK(first != second);
    CHECK(x.uniform_().tolist() != second);
}

TEST_CASE("a recorded training step is the step", "[cuda]") {
    manual_seed(3);
    const auto xs = randn<float, Cpu>({20, 8, 4}).to<Cuda>();
    const auto ys = randint<std::int64_t, Cpu>(0, 3, {20, 8}).to<Cuda>();
    Net plain, recorded = plain;
    REQUIRE(weights_of(plain) == weights_of(recorded));
    const auto train = [&](Net& net, bool graphed) {
        optim::Adam<float, Cuda> adam(net.parameters(), {.lr = 0.01, .capturable = true});
        const auto step = [&](const Tensor<float, Cuda>& x, const Tensor<std::int64_t, Cuda>& y) {
            adam.zero_grad();
            const auto loss = nn::cross_entropy(net(x), y);
            loss.backward();
            adam.step();
            return loss.detach();
        };
        train::GraphedStep repeat(step);
        std::vector<float> losses;
        for (std::int64_t i = 0; i < 20; ++i) {
            const std::int64_t size = i == 15 ? 5 : 8;  // one batch is smaller
            const auto x = xs[i].narrow(0, 0, size);
            const auto y = ys[i].narrow(0, 0, size);
            losses.push_back(graphed ? repeat(x, y).item() : step(x, y).item());
        }
        CHECK(repeat.recorded() == graphed);
        return losses;
    };
    CHECK(train(plain, false) == train(recorded, true));
    CHECK(weights_of(plain) == weights_of(recorded));
}

TEST_CASE("a step that was recorded for other types is called", "[cuda]") {
    int calls = 0;
    train::GraphedStep step([&](const auto& x) {
        ++calls;
        return Tensor<float, Cuda>((x * x).template to<float>());
    });
    for (int i = 0; i < 5; ++i) (void)step(full<float, Cuda>({2}, 2.0f));
    CHECK(step.recorded());
    CHECK(calls == 4);  // three to warm up, and the recording
    CHECK(step(full<double, Cuda>({2}, 3.0)).tolist() == std::vector<float>{9, 9});
    CHECK(calls == 5);
    CHECK(step(full<float, Cuda>({2}, 4.0f)).tolist() == std::vector<float>{16, 16});
    CHECK(calls == 5);
}

TEST_CASE("on the CPU a step is called", "[cuda]") {
    int calls = 0;
    train::GraphedStep step([&](const Tensor<float, Cpu>& x) {
        ++calls;
        return x + 1.0f;
    });
    for (int i = 0; i < 6; ++i) CHECK(step(full<float, Cpu>({2}, 1.0f)).tolist() == std::vector<float>{2, 2});
    CHECK(calls == 6);
    CHECK(!step.recorded());
}
