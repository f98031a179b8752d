// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The name of a function from its address, for messages: read from the symbol table of this program's own file, which also lists
/// functions that dladdr does not know.

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace cuda_emulator {

inline std::uintptr_t program_base() {
    std::uintptr_t base = 0;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
            *static_cast<std::uintptr_t*>(result) = static_cast<std::uintptr_t>(info->dlpi_addr);
            return 1;  // the first entry is the program itself
        },
        &base);
    return base;
}

inline std::string demangle(const char* name) {
    int status = 0;
    char* plain = abi::__cxa_demangle(name, nullptr, nullptr, &status);
    std::string result = status == 0 && plain != nullptr ? plain : name;
    std::free(plain);
    return result;
}

inline std::string symbol_name(const void* function) {
    const std::uintptr_t wanted = reinterpret_cast<std::uintptr_t>(function) - program_base();
    std::ifstream stream("/proc/self/exe", std::ios::binary);
    const std::vector<char> file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (file.size() < sizeof(Elf64_Ehdr)) return "(unknown)";
    Elf64_Ehdr header;
    std::memcpy(&header, file.data(), sizeof header);
    std::vector<Elf64_Shdr> sections(header.e_shnum);
    std::memcpy(sections.data(), file.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
    for (const Elf64_Shdr& section : sections) {
        if (section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM) continue;
        const char* names = file.data() + sections[section.sh_link].sh_offset;
        for (std::size_t i = 0; i < section.sh_size / sizeof(Elf64_Sym); ++i) {
            Elf64_Sym symbol;
            std::memcpy(&symbol, file.data() + section.sh_offset + i * sizeof symbol, sizeof symbol);
            const bool is_function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_value != 0;
            if (is_function && symbol.st_value == wanted) return demangle(names + symbol.st_name);
        }
    }
    return "(unknown)";
}

}  // namespace cuda_emulator
