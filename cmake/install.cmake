# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
#
# Install: the headers, the CMake package (find_package(headtorch)) and the pkg-config file. All of it is independent of the
# architecture and of the place: the tree may be moved after it was installed.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(headtorch_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/headtorch)

install(DIRECTORY include/headtorch DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(TARGETS headtorch EXPORT headtorch)
install(EXPORT headtorch NAMESPACE headtorch:: FILE headtorch-targets.cmake DESTINATION ${headtorch_package_dir})

configure_package_config_file(cmake/headtorch-config.cmake.in headtorch-config.cmake INSTALL_DESTINATION ${headtorch_package_dir})
write_basic_package_version_file(headtorch-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/headtorch-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/headtorch-config-version.cmake
    cmake/headtorch-components.cmake DESTINATION ${headtorch_package_dir})

# headtorch.pc finds its prefix from its own place.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig OUTPUT_VARIABLE headtorch_pc_to_prefix)
set(headtorch_pc_openmp "")
if(TARGET headtorch_openmp)
    set(headtorch_pc_openmp " ${OpenMP_CXX_FLAGS}")
endif()
configure_file(cmake/headtorch.pc.in headtorch.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/headtorch.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
