// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Another program that runs beside this one, and is never waited for longer than one is willing to.

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "headtorch/viz/gnuplot.hpp"

extern "C" char** environ;

namespace headtorch::viz::detail {

/// A child process. It has a process group of its own, so that Ctrl-C, which the training takes as a wish to end, does not end it too.
class Process {
public:
    Process() = default;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { close_input(); }

    /// Starts words[0] with the words as arguments; what it prints is thrown away. With `input`, write() reaches it. False, with the reason
    /// in error(), when it cannot be started.
    bool start(const std::vector<std::string>& words, bool input) {
        close_input();
        pending_.clear();
        int ends[2] = {-1, -1};
        if (input && ::pipe(ends) != 0) return (error_ = errno, false);
        for (const int end : ends)
            if (end >= 0) ::fcntl(end, F_SETFD, FD_CLOEXEC);
        std::vector<char*> arguments;
        for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);

        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attributes);
        if (input)
            posix_spawn_file_actions_adddup2(&files, ends[0], 0);
        else
            posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setpgroup(&attributes, 0);
        error_ = ::posix_spawnp(&child_, arguments[0], &files, &attributes, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
        if (ends[0] >= 0) ::close(ends[0]);
        input_ = ends[1];
        if (input_ >= 0) ::fcntl(input_, F_SETFL, O_NONBLOCK);
        if (error_ != 0) child_ = -1, close_input();
        return error_ == 0;
    }
    int error() const { return error_; }

    /// Whether it still runs.
    bool running() {
        if (child_ < 0) return false;
        int status = 0;
        const pid_t ended = ::waitpid(child_, &status, WNOHANG);
        if (ended == 0 || (ended < 0 && errno == EINTR)) return true;
        ended_well_ = ended < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);  // < 0: somebody else asked before us
        child_ = -1;
        return false;
    }
    /// Waits until it ends, and ends it by force when that takes too long. True when it ended well.
    bool wait(double seconds = 10) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        while (running()) {
            if (std::chrono::steady_clock::now() > until) ::kill(child_, SIGKILL);
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        return ended_well_;
    }

    /// Hands over what is left of earlier writes. True when nothing is.
    bool flush() {
        while (!pending_.empty() && input_ >= 0) {
            const ssize_t count = write_quietly(pending_);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return false;
            if (count < 0) {  // it reads no more
                close_input();
                return false;
            }
            pending_.erase(0, static_cast<std::size_t>(count));
        }
        return input_ >= 0;
    }
    /// flush() until it is done, or so many seconds have passed.
    bool drain(double seconds) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        while (!flush() && input_ >= 0 && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        return input_ >= 0 && pending_.empty();
    }
    /// Sends text without waiting for its being read. False when nobody reads any more.
    bool write(const std::string& text) {
        pending_ += text;
        flush();
        return input_ >= 0;
    }
    /// Says that nothing more will come.
    void close_input() {
        if (input_ >= 0) ::close(std::exchange(input_, -1));
    }

private:
    /// write() without the signal that ends a program whose reader is gone.
    ssize_t write_quietly(const std::string& text) const {
        sigset_t pipe_signal, before, waiting;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        sigemptyset(&waiting);
        sigpending(&waiting);
        pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
        const ssize_t count = ::write(input_, text.data(), text.size());
        const int reason = errno;
        if (count < 0 && reason == EPIPE && !sigismember(&waiting, SIGPIPE)) {
            sigemptyset(&waiting);
            sigpending(&waiting);
            int taken = 0;
            if (sigismember(&waiting, SIGPIPE)) sigwait(&pipe_signal, &taken);
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        errno = reason;
        return count;
    }

    pid_t child_ = -1;
    int input_ = -1, error_ = 0;
    bool ended_well_ = false;
    std::string pending_;
};

/// The terminal with which gnuplot opens a window here, or "".
inline std::string window_terminal() {
    const auto is_set = [](const char* name) {
        const char* value = std::getenv(name);
        return value && *value;
    };
    utsname system{};
    const bool has_display =
        is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") || (::uname(&system) == 0 && std::strcmp(system.sysname, "Darwin") == 0);
    if (!has_display) return "";
    const std::string command = shell_word(gnuplot_program()) + " -d -e 'print GPVAL_TERMINALS' 2>&1 < /dev/null";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (!pipe) return "";
    std::string names = " ";
    char buffer[512];
    while (std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) names.append(buffer, count);
    if (::pclose(pipe) != 0) return "";
    names = replaced(names, "\n", " ");
    for (const char* name : {"qt", "wxt", "x11"})
        if (names.find(" " + std::string(name) + " ") != std::string::npos) return name;
    return "";
}

}  // namespace headtorch::viz::detail
