// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Runs code that is meant to die in a process of its own, and returns what it said.

#include <cstdio>
#include <string>

#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "tests/support/catch.hpp"

namespace headtorch::testing {

struct Ending {
    bool died;         ///< a signal, or an exit that was not the end of `run`
    std::string text;  ///< what it wrote to stdout and stderr
};

template <class F>
Ending in_child(const F& run) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::fflush(nullptr);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        for (const int signal : {SIGSEGV, SIGABRT, SIGBUS}) std::signal(signal, SIG_DFL);  // not the test framework's report
        run();
        std::fflush(nullptr);
        _exit(0);
    }
    close(ends[1]);
    Ending ending;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;) ending.text.append(buffer, static_cast<std::size_t>(got));
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    ending.died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return ending;
}

}  // namespace headtorch::testing
