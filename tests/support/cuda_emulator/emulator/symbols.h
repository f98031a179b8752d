// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The symbol table of this program's own file: names of kernels for messages (it also lists functions that dladdr does not know), and the
/// `__shared__` arrays of a kernel, so that they can be filled before each block.

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cuda_emulator {

/// Where an array lies, and its bytes.
struct SharedArray {
    void* place;
    std::size_t size;
};

class Symbols {
public:
    Symbols() {
        const int file = ::open("/proc/self/exe", O_RDONLY);
        struct stat status = {};
        if (file < 0 || fstat(file, &status) != 0) return;
        void* memory = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
        close(file);
        if (memory == MAP_FAILED) return;
        dl_iterate_phdr(
            [](dl_phdr_info* info, std::size_t, void* result) {
                *static_cast<std::uintptr_t*>(result) = static_cast<std::uintptr_t>(info->dlpi_addr);
                return 1;  // the first entry is the program itself
            },
            &base_);
        read(static_cast<const char*>(memory));
    }

    /// The mangled name of the function that begins there; null when it is not known.
    const char* mangled(const void* function) const {
        const std::uintptr_t wanted = reinterpret_cast<std::uintptr_t>(function) - base_;
        const auto found = std::lower_bound(functions_.begin(), functions_.end(), std::pair<std::uintptr_t, const char*>(wanted, nullptr));
        return found != functions_.end() && found->first == wanted ? found->second : nullptr;
    }

    /// The static variables that are declared in a function: f's x is named _ZZ<f>E<x>.
    const std::vector<SharedArray>& statics(const void* function) {
        const auto [entry, fresh] = of_function_.try_emplace(function);
        const char* name = fresh ? mangled(function) : nullptr;
        if (name == nullptr || std::strncmp(name, "_Z", 2) != 0) return entry->second;
        const std::string prefix = std::string("_ZZ") + (name + 2) + "E";
        for (auto found = statics_.lower_bound(prefix); found != statics_.end() && found->first.starts_with(prefix); ++found)
            entry->second.push_back({reinterpret_cast<void*>(base_ + found->second.first), found->second.second});
        return entry->second;
    }

private:
    template <class T>
    static T at(const char* place) {
        T value;
        std::memcpy(&value, place, sizeof value);
        return value;
    }

    void read(const char* file) {
        const auto header = at<Elf64_Ehdr>(file);
        const auto section = [&](std::size_t i) { return at<Elf64_Shdr>(file + header.e_shoff + i * sizeof(Elf64_Shdr)); };
        for (std::size_t i = 0; i < header.e_shnum; ++i) {
            const Elf64_Shdr table = section(i);
            if (table.sh_type != SHT_SYMTAB) continue;
            const char* names = file + section(table.sh_link).sh_offset;
            for (std::size_t offset = 0; offset < table.sh_size; offset += sizeof(Elf64_Sym)) {
                const auto symbol = at<Elf64_Sym>(file + table.sh_offset + offset);
                if (symbol.st_value == 0 || symbol.st_shndx >= header.e_shnum) continue;
                const char* name = names + symbol.st_name;
                if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) {
                    functions_.emplace_back(static_cast<std::uintptr_t>(symbol.st_value), name);
                } else if (ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT && std::strncmp(name, "_ZZ", 3) == 0) {
                    if ((section(symbol.st_shndx).sh_flags & SHF_WRITE) == 0) continue;  // a table of constants
                    statics_.emplace(name,
                                     std::pair(static_cast<std::uintptr_t>(symbol.st_value), static_cast<std::size_t>(symbol.st_size)));
                }
            }
        }
        std::sort(functions_.begin(), functions_.end());
    }

    std::uintptr_t base_ = 0;
    std::vector<std::pair<std::uintptr_t, const char*>> functions_;
    std::multimap<std::string, std::pair<std::uintptr_t, std::size_t>> statics_;
    std::map<const void*, std::vector<SharedArray>> of_function_;
};

inline Symbols& symbols() {
    static Symbols* const value = new Symbols;
    return *value;
}

/// A function's name as the source has it.
inline std::string symbol_name(const void* function) {
    const char* name = symbols().mangled(function);
    if (name == nullptr) return "(unknown)";
    int status = 0;
    char* plain = abi::__cxa_demangle(name, nullptr, nullptr, &status);
    std::string result = status == 0 && plain != nullptr ? plain : name;
    std::free(plain);
    return result;
}

}  // namespace cuda_emulator
