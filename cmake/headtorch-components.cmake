# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
#
# What is optional, found where headtorch is used. Included by headtorch's own CMakeLists.txt and by the installed package.
#   headtorch_openmp   OpenMP, when it is found and HEADTORCH_OPENMP is not off
#   headtorch::io      headers that read and write files; there when zlib, nlohmann-json and stb are
#   headtorch::viz     headers that draw; gnuplot is a program, so there is nothing to link
#   headtorch::cuda    headtorch/cuda.hpp, in sources of the language CUDA; there when the CUDA Toolkit is and HEADTORCH_CUDA is not off
#   headtorch::native  the instruction set of this machine. All of one program or none of it should be compiled with it.
include_guard(DIRECTORY)

if(NOT TARGET headtorch_openmp AND (HEADTORCH_OPENMP OR NOT DEFINED HEADTORCH_OPENMP))
    find_package(OpenMP QUIET COMPONENTS CXX)
    if(TARGET OpenMP::OpenMP_CXX)
        add_library(headtorch_openmp INTERFACE IMPORTED GLOBAL)
        target_link_libraries(headtorch_openmp INTERFACE OpenMP::OpenMP_CXX)
    endif()
endif()

if(NOT TARGET headtorch::io)
    find_package(ZLIB QUIET)
    find_package(nlohmann_json 3.9 QUIET)
    find_path(HEADTORCH_STB_DIR NAMES stb/stb_image_write.h stb_image_write.h)  # headers without a package file
    mark_as_advanced(HEADTORCH_STB_DIR)
    if(TARGET ZLIB::ZLIB AND TARGET nlohmann_json::nlohmann_json AND HEADTORCH_STB_DIR)
        add_library(headtorch::io INTERFACE IMPORTED GLOBAL)
        target_include_directories(headtorch::io SYSTEM INTERFACE ${HEADTORCH_STB_DIR})
        target_link_libraries(headtorch::io INTERFACE headtorch::headtorch ZLIB::ZLIB nlohmann_json::nlohmann_json)
    endif()
endif()

if(NOT TARGET headtorch::cuda AND (HEADTORCH_CUDA OR NOT DEFINED HEADTORCH_CUDA))
    find_package(CUDAToolkit 12 QUIET)
    if(TARGET CUDA::cudart AND TARGET CUDA::cublasLt)
        add_library(headtorch::cuda INTERFACE IMPORTED GLOBAL)
        target_link_libraries(headtorch::cuda INTERFACE headtorch::headtorch CUDA::cudart CUDA::cublasLt)
        # Formulas are constexpr functions that kernels call. The numbers are nvcc's remarks on code that only the host runs.
        target_compile_options(headtorch::cuda INTERFACE
            "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr;-diag-suppress=3189,20011,20012,20013,20014,20015>")
        target_compile_definitions(headtorch::cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:EIGEN_NO_CUDA>)
        if(TARGET headtorch_openmp)
            target_compile_options(headtorch::cuda INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${OpenMP_CXX_FLAGS}>")
        endif()
        find_library(HEADTORCH_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})  # convolutions; ours serve where it is not
        find_path(HEADTORCH_CUDNN_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
        mark_as_advanced(HEADTORCH_CUDNN_LIBRARY HEADTORCH_CUDNN_DIR)
        if(HEADTORCH_CUDNN_LIBRARY AND HEADTORCH_CUDNN_DIR)
            target_include_directories(headtorch::cuda SYSTEM INTERFACE ${HEADTORCH_CUDNN_DIR})
            target_link_libraries(headtorch::cuda INTERFACE ${HEADTORCH_CUDNN_LIBRARY})
            target_compile_definitions(headtorch::cuda INTERFACE HEADTORCH_CUDNN)
        endif()
    endif()
endif()

if(NOT TARGET headtorch::viz)
    add_library(headtorch::viz INTERFACE IMPORTED GLOBAL)
    target_link_libraries(headtorch::viz INTERFACE headtorch::headtorch)
endif()

if(NOT TARGET headtorch::native)
    include(CheckCXXCompilerFlag)
    check_cxx_compiler_flag(-march=native HEADTORCH_HAS_MARCH_NATIVE)
    if(NOT HEADTORCH_HAS_MARCH_NATIVE)  # some Arm and POWER compilers
        check_cxx_compiler_flag(-mcpu=native HEADTORCH_HAS_MCPU_NATIVE)
    endif()
    add_library(headtorch::native INTERFACE IMPORTED GLOBAL)
    if(HEADTORCH_HAS_MARCH_NATIVE)
        target_compile_options(headtorch::native INTERFACE
            $<$<COMPILE_LANGUAGE:CXX>:-march=native> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=native>)
    elseif(HEADTORCH_HAS_MCPU_NATIVE)
        target_compile_options(headtorch::native INTERFACE -mcpu=native)
    endif()
endif()
