// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How normalisation sees a contiguous tensor.

#include <cstdint>

namespace headtorch {

/// Batch normalisation: [batch, channels, inner]; each channel is normalised on its own, over batch and inner.
struct ChannelNorm {
    std::int64_t batch = 0, channels = 0, inner = 1;
    std::int64_t count() const { return batch * inner; }
};

/// Layer, group, instance and RMS normalisation: `rows` adjacent rows, each normalised on its own. A row has `channels` channels of `inner`
/// elements; weight and bias have one element for each channel, and repeat after `groups` rows.
struct RowNorm {
    std::int64_t rows = 0, channels = 0, inner = 1, groups = 1;
    bool centred = true;  ///< the mean is subtracted
    std::int64_t length() const { return channels * inner; }
};

}  // namespace headtorch
