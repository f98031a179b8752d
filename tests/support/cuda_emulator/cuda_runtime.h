// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// An emulator of the CUDA runtime for tests: sources that include <cuda_runtime.h> and launch kernels with cudaLaunchKernelEx compile
/// with a plain C++20 compiler when this folder comes first in the include path, and run on the CPU, stricter than a GPU would be:
///
/// - device memory can be touched only by queued work, a kernel only that of its device (arena.h);
/// - queued work runs when something waits for it, not before, and in a changing order (queue.h);
/// - the threads of a block come in a changing order, and a barrier that not all of them reach is reported (block.h, barriers.h, warp.h);
/// - limits of a launch are checked, and pointers to host memory among a kernel's arguments (launch.h);
/// - tests can make calls fail (control.h).

#include "emulator/atomics.h"
#include "emulator/barriers.h"
#include "emulator/control.h"
#include "emulator/copies.h"
#include "emulator/device_functions.h"
#include "emulator/devices.h"
#include "emulator/graph.h"
#include "emulator/keywords.h"
#include "emulator/launch.h"
#include "emulator/memory.h"
#include "emulator/streams.h"
#include "emulator/vector_types.h"
#include "emulator/warp.h"
