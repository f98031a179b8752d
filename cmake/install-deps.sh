#!/bin/sh
# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
#
# Installs what headtorch's tests, examples and benchmarks need and this machine lacks, with apt, dnf or brew. Where nothing is missing
# it does nothing. Users of the library alone need a C++20 compiler and Eigen.
#   --with-clang   clang, its OpenMP and its sanitizers too
#   --with-browser Chromium too, in which a test opens the pages of the demos
#   --dry-run      only say what is missing
set -eu

with_clang=no
with_browser=no
dry_run=no
for argument in "$@"; do
    case "$argument" in
        --with-clang) with_clang=yes ;;
        --with-browser) with_browser=yes ;;
        --dry-run) dry_run=yes ;;
        -h | --help) sed -n '5,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "install-deps.sh: unknown option '$argument' (there are --with-clang, --with-browser and --dry-run)" >&2; exit 2 ;;
    esac
done

have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "install-deps.sh: $*"; }

has_browser() { have chromium || have chromium-browser || have google-chrome || have google-chrome-stable; }
has_clang() {
    have clang++ || return 1
    major=$(clang++ -dumpversion | cut -d. -f1)
    [ "${major:-0}" -ge 14 ]
}

# The manager, how it says that a package is there, and its names. A program that is already there, wherever it came from, is enough.
if have apt-get; then
    installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
    offered() { [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ]; }
    refresh() { $sudo apt-get update -q || say "could not refresh the package lists; trying with those at hand"; }
    install() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }
    programs="g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config gnuplot:gnuplot-nox dot:graphviz"
    packages="libeigen3-dev catch2 libcli11-dev zlib1g-dev nlohmann-json3-dev libstb-dev libbenchmark-dev fonts-dejavu-core dataset-fashion-mnist"
    clang="clang libomp-dev libclang-rt-dev"
elif have dnf; then
    installed() { rpm -q --whatprovides "$1" >/dev/null 2>&1; }
    offered() { [ -n "$(dnf -q repoquery --whatprovides "$1" 2>/dev/null)" ]; }
    refresh() { :; }
    install() { $sudo dnf install -y "$@"; }
    programs="g++:gcc-c++ cmake:cmake ninja:ninja-build pkg-config:pkgconf-pkg-config gnuplot:gnuplot dot:graphviz"
    packages="eigen3-devel catch-devel cli11-devel zlib-devel json-devel stb_image-devel stb_image_write-devel google-benchmark-devel dejavu-sans-fonts libasan libubsan libtsan"
    clang="clang libomp-devel compiler-rt"
elif have brew; then
    installed() { brew list --versions "$1" >/dev/null 2>&1; }
    offered() { brew info "$1" >/dev/null 2>&1; }
    refresh() { :; }
    install() { brew install "$@"; }
    programs="c++:gcc cmake:cmake ninja:ninja pkg-config:pkgconf gnuplot:gnuplot dot:graphviz"
    packages="eigen catch2 cli11 zlib nlohmann-json stb google-benchmark libomp"
    clang="llvm"
else
    say "found none of apt-get, dnf and brew. Please install: a C++20 compiler (g++ 12 or clang 14, or newer), CMake 3.25, Ninja, Eigen 3.4," >&2
    say "Catch2, CLI11, zlib, nlohmann-json, stb, Google Benchmark, gnuplot, Graphviz, and the Fashion-MNIST files (see README.md)." >&2
    exit 1
fi

missing=""
for pair in $programs; do
    have "${pair%%:*}" || missing="$missing ${pair#*:}"
done
for package in $packages; do
    installed "$package" || missing="$missing $package"
done
if [ $with_clang = yes ]; then
    for package in $clang; do
        if [ "$package" = clang ] && has_clang; then continue; fi
        installed "$package" || missing="$missing $package"
    done
fi

if [ $with_browser = yes ] && ! has_browser; then missing="$missing chromium"; fi

if [ -n "$missing" ]; then
    say "missing:$missing"
    if [ $dry_run = no ]; then
        sudo=""
        if [ "$(id -u)" -ne 0 ] && ! have brew; then
            have sudo || { say "run this as root, or install sudo" >&2; exit 1; }
            sudo=sudo
        fi
        refresh
        wanted=""
        for package in $missing; do
            if offered "$package"; then
                wanted="$wanted $package"
            else
                say "no package '$package' is offered here; what depends on it will be left out"
            fi
        done
        # shellcheck disable=SC2086  # a list of words
        [ -z "$wanted" ] || install $wanted
    fi
fi

# Fashion-MNIST comes as a package on Debian and Ubuntu; elsewhere from its authors, into the place where the examples look.
files="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
share="${XDG_DATA_HOME:-${HOME:-/root}/.local/share}/headtorch/fashion-mnist"
if [ ! -e /usr/share/datasets/fashion-mnist ]; then
    for file in $files; do
        [ -e "$share/$file.gz" ] && continue
        if [ $dry_run = yes ]; then
            say "missing: $share/$file.gz"
            continue
        fi
        mkdir -p "$share"
        if have curl && curl -fsSL -o "$share/$file.part" \
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/$file.gz" && gzip -t <"$share/$file.part"; then
            mv "$share/$file.part" "$share/$file.gz"
        else
            rm -f "$share/$file.part"
            say "could not fetch $file.gz of https://github.com/zalandoresearch/fashion-mnist; the example fashion_mnist needs it in $share"
        fi
    done
fi

if [ $dry_run = no ]; then
    version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    if [ "${version% *}" -lt 3 ] || { [ "${version% *}" -eq 3 ] && [ "${version#* }" -lt 25 ]; }; then
        say "CMake here is ${version% *}.${version#* }, and 3.25 is needed: pip install cmake, or see https://cmake.org/download" >&2
        exit 1
    fi
    say "everything is here"
fi
