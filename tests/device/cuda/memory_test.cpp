// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Device memory, streams, events, several GPUs, copies.

#include "headtorch/cuda.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

void* take(std::size_t bytes) { return cuda::Allocator::instance().allocate(bytes); }
void give(void* data) { cuda::Allocator::instance().deallocate(data); }

}  // namespace

TEST_CASE("a GPU says what it is", "[cuda]") {
    REQUIRE(cuda::device_count() >= 1);
    const auto properties = cuda::get_device_properties(0);
    CHECK(!properties.name.empty());
    CHECK(properties.major >= 5);
    CHECK(properties.multi_processor_count == cuda::multi_processor_count());
    CHECK(properties.total_memory > 100 * mib);
    CHECK_THROWS_WITH(cuda::set_device(1000), contains("set_device: there is no GPU 1000"));
    CHECK_THROWS_WITH(cuda::DeviceGuard(-1), contains("there is no GPU -1"));
    CHECK(cuda::current_device() == 0);
}

TEST_CASE("blocks that are given back serve again", "[cuda]") {
    if (!reuse_memory) return;
    cuda::empty_cache();
    const auto before = cuda::memory_stats();
    void* a = take(1000);
    void* b = take(1000);
    CHECK(a != b);
    CHECK(cuda::memory_stats().memory_allocated == before.memory_allocated + 2048);
    CHECK(cuda::memory_stats().segments == before.segments + 1);
    give(a);
    CHECK(take(700) == a);
    give(a);
    give(b);
    void* joined = take(2048);  // the two, and what lay behind them, are one again
    CHECK(joined == a);
    give(joined);
    CHECK(cuda::memory_stats().memory_allocated == before.memory_allocated);
    CHECK(cuda::memory_stats().segments == before.segments + 1);
    cuda::empty_cache();
    CHECK(cuda::memory_stats().memory_reserved == before.memory_reserved);
    CHECK(take(0) == nullptr);
    give(nullptr);
}

TEST_CASE("the peak is counted", "[cuda]") {
    cuda::reset_peak_memory_stats();
    const auto before = cuda::memory_stats();
    {
        const auto x = empty<float, Cuda>({256, 1024});
        const auto y = empty<float, Cuda>({256, 1024});
    }
    const auto after = cuda::memory_stats();
    CHECK(after.memory_allocated == before.memory_allocated);
    CHECK(after.max_memory_allocated == before.memory_allocated + std::int64_t{2 * mib});
    CHECK(after.allocations == before.allocations + 2);
    CHECK(after.to_string().find("cuda memory: ") == 0);
    cuda::reset_peak_memory_stats();
    CHECK(cuda::memory_stats().max_memory_allocated == after.memory_allocated);
}

TEST_CASE("a stream's blocks are its own, and shared ones wait", "[cuda]") {
    if (!reuse_memory) return;
    const auto side = cuda::Stream::create();
    void* a = take(5000);
    give(a);
    {
        const cuda::StreamGuard guard(side);
        CHECK(cuda::current_stream() == side);
        void* b = take(5000);
        CHECK(b != a);
        give(b);
    }
    CHECK(!(cuda::current_stream() == side));
    void* c = take(5000);
    CHECK(c == a);
    cuda::Allocator::instance().record_stream(c, side);
    give(c);
    side.synchronize();
    void* d = take(5000);
    CHECK(d == a);
    give(d);
    CHECK_THROWS_WITH(cuda::Allocator::instance().record_stream(&c, side), contains("record_stream: this tensor was not allocated"));
}

TEST_CASE("no room is said with sizes, and does no harm", "[cuda]") {
    const auto x = full<float, Cuda>({10}, 3.0f);
    const auto before = cuda::memory_stats();
    CHECK_THROWS_AS((empty<double, Cuda>({std::int64_t{1} << 20, std::int64_t{1} << 20})), OutOfMemoryError);
    CHECK_THROWS_WITH((empty<double, Cuda>({std::int64_t{1} << 20, std::int64_t{1} << 20})),
                      contains("allocate: GPU 0 has no room for 8.38861e+06 MiB"));
    const auto after = cuda::memory_stats();
    CHECK(after.retries == before.retries + 2);
    CHECK(after.memory_allocated == before.memory_allocated);
    CHECK((x + x).tolist() == std::vector<float>(10, 6.0f));
}

TEST_CASE("a stream that is gone has done its work, whoever gets its memory", "[cuda]") {
    for (int i = 0; i < 50; ++i) {
        {
            const cuda::StreamGuard guard(cuda::Stream::create());
            auto x = full<float, Cuda>({3000}, 1.0f);
            for (int k = 0; k < 5; ++k) x = x + x;
        }
        const auto other = cuda::Stream::create();  // may have the same handle
        std::vector<float> values;
        {
            const cuda::StreamGuard guard(other);
            const auto y = full<float, Cuda>({3000}, 7.0f), z = y * 1.0f;
            values = z.tolist();
        }
        REQUIRE(values == std::vector<float>(3000, 7.0f));
    }
}

TEST_CASE("events mark and order", "[cuda]") {
    const auto side = cuda::Stream::create();
    cuda::Event start(true), stop(true), ready;
    start.record();
    auto x = full<float, Cuda>({1000}, 1.0f);
    for (int i = 0; i < 10; ++i) x = x + x;
    ready.record();
    Tensor<float, Cuda> y;
    {
        const cuda::StreamGuard guard(side);
        ready.wait();
        y = x * 2.0f;
        CHECK(y.tolist() == std::vector<float>(1000, 2048.0f));
    }
    stop.record();
    stop.synchronize();
    CHECK(stop.query());
    CHECK(start.elapsed_ms(stop) >= 0);
    side.synchronize();
    CHECK(side.query());
}

TEST_CASE("numbers come back as they went", "[cuda]") {
    const auto round = [](const auto& x) {
        CHECK(x.template to<Cuda>().template to<Cpu>().tolist() == x.tolist());
        CHECK(x.template to<Cuda>().tolist() == x.tolist());
    };
    round(randn<float, Cpu>({3, 5}));
    round(randn<double, Cpu>({3, 5}).t());
    round(tensor<bool, Cpu>({true, false, true}));
    round(arange<std::int64_t, Cpu>(100).view(10, 10).narrow(1, 2, 5));
    round(arange<std::int32_t, Cpu>(7));
    round(full<std::uint8_t, Cpu>({5}, 200));
    round(empty<float, Cpu>({0, 4}));
    CHECK(full<double, Cuda>({}, 2.5).item() == 2.5);
    const auto x = randn<float, Cpu>({4, 6}).to<Cuda>();
    CHECK(x.t().tolist() == x.to<Cpu>().t().tolist());
    CHECK(x.t().contiguous().is_contiguous());
    CHECK(x.to_string().find("device='cuda:0'") != std::string::npos);
    CHECK_THROWS_WITH(x.item(), contains("item: a tensor of shape [4, 6]"));
}

TEST_CASE("pinned memory copies while the host goes on", "[cuda]") {
    const std::size_t bytes = 1000 * sizeof(float);
    auto* host = static_cast<float*>(cuda::PinnedMemory::instance().allocate(bytes));
    CHECK(cuda::is_pinned(host));
    const std::vector<float> pageable(10);
    CHECK(!cuda::is_pinned(pageable.data()));
    for (int i = 0; i < 1000; ++i) host[i] = static_cast<float>(i);
    const auto x = empty<float, Cuda>({1000});
    cuda::copy_async(x.data(), host, bytes, cudaMemcpyHostToDevice);
    CHECK((x * 2.0f).tolist()[999] == 1998.0f);
    // to<Cuda>() from it waits: the host may write it at once
    const auto y = from_blob(host, {1000}).to<Cuda>();
    host[999] = 0;
    CHECK(y.tolist()[999] == 999.0f);
    cuda::PinnedMemory::instance().deallocate(host);
    CHECK(cuda::PinnedMemory::instance().allocate(bytes) == host);
    cuda::PinnedMemory::instance().deallocate(host);
}

TEST_CASE("pin_memory, and copies that do not block", "[cuda]") {
    const auto x = arange<float, Cpu>(4096).reshape({64, 64});
    CHECK_FALSE(x.is_pinned());
    auto pinned = x.pin_memory();
    CHECK(pinned.is_pinned());
    CHECK(pinned[3].is_pinned());
    CHECK(pinned.pin_memory().is_same(pinned));
    CHECK(pinned.tolist() == x.tolist());
    CHECK(x.t().pin_memory().tolist() == x.t().contiguous().tolist());
    CHECK((empty<float, Cpu>({0, 2}).pin_memory().shape() == Shape{0, 2}));
    CHECK_FALSE((ones<float, Cuda>({2}).is_pinned()));

    const auto y = pinned.to<Cuda>({.non_blocking = true});
    const auto z = zeros<float, Cuda>({64, 64});
    z.copy_(pinned, {.non_blocking = true});
    pinned = {};  // the copies are still to come
    const auto other = full<float, Cpu>({64, 64}, -1.0f).pin_memory();  // has memory of its own
    CHECK(y.tolist() == x.tolist());
    CHECK(z.tolist() == x.tolist());
    CHECK(other.tolist()[0] == -1.0f);

    const auto back = (y * 2.0f).to<Cpu>({.non_blocking = true});
    CHECK(back.is_pinned());
    other.copy_(y + 1.0f, {.non_blocking = true});
    cuda::synchronize();
    CHECK(back.tolist() == (x * 2.0f).tolist());
    CHECK(other.tolist() == (x + 1.0f).tolist());

    // what cannot be on its way blocks: pageable memory, rows with gaps, gradients
    const auto pageable = zeros<float, Cpu>({64, 64});
    pageable.copy_(y, {.non_blocking = true});
    CHECK(pageable.tolist() == x.tolist());
    other.t().copy_(y, {.non_blocking = true});
    CHECK(other.t().contiguous().tolist() == x.tolist());
    CHECK(x.t().to<Cuda>({.non_blocking = true}).tolist() == x.t().contiguous().tolist());
    const auto row = ones<float, Cuda>({64});
    z.copy_(row.to<Cpu>());  // spreads
    CHECK(z.tolist() == std::vector<float>(4096, 1.0f));
    const auto w = full<double, Cpu>({3}, 2.0).requires_grad_();
    const auto far = zeros<double, Cuda>({3});
    far.copy_(w.pin_memory(), {.non_blocking = true});
    (far * far).sum().backward();
    CHECK(w.grad().tolist() == std::vector<double>(3, 4.0));
    CHECK_THROWS_AS(z.copy_(ones<float, Cpu>({5})), ShapeError);
    const auto flags = tensor<bool, Cpu>({true, false}).pin_memory().to<Cuda>({.non_blocking = true});
    CHECK(flags.tolist() == std::vector<bool>{true, false});

    cuda::Graph graph;  // which knows nothing of the host's memory
    CHECK_THROWS_WITH(graph.capture([&] { z.copy_(other, {.non_blocking = true}); }),
                      contains("a graph cannot record a copy from the host"));
}

TEST_CASE("pinned memory serves again when the copies are done", "[cuda]") {
    auto& memory = cuda::PinnedMemory::instance();
    const auto x = zeros<float, Cuda>({100000});
    for (int i = 0; i < 50; ++i) {
        x.copy_(full<float, Cpu>({100000}, static_cast<float>(i)).pin_memory(), {.non_blocking = true});
        const auto next = full<float, Cpu>({100000}, -1.0f).pin_memory();
        CHECK((x + 1.0f)[99999].item() == static_cast<float>(i) + 1);
    }
    cuda::synchronize();
    const auto reused = full<float, Cpu>({100000}, 2.0f).pin_memory();
    for (int i = 0; i < 100; ++i) {
        x.copy_(reused, {.non_blocking = true});
        cuda::synchronize();
    }
#if defined(HEADTORCH_CUDA_EMULATOR)
    CHECK(cuda_emulator::state().events.size() < 50);  // a buffer that is used again and again does not pile up marks
#endif
    void* first = memory.allocate(12345678);
    memory.deallocate(first);
    CHECK(memory.allocate(12345678) == first);
    memory.deallocate(first);
}

TEST_CASE("several GPUs", "[cuda]") {
    if (cuda::device_count() < 2) return;
    const cuda::DeviceGuard guard(1);
    CHECK(cuda::current_device() == 1);
    const auto before = cuda::memory_stats(0);
    const auto x = full<float, Cuda>({1000}, 4.0f);
    CHECK(cuda::memory_stats(0).memory_allocated == before.memory_allocated);
    CHECK((x * x).tolist()[0] == 16.0f);
}
