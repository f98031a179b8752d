# headtorch: install, move the tree, and build consumers outside it.
# SPDX-License-Identifier: MIT
#
# cmake -D SOURCE=… -D BUILD=… -D WORK=… -D GENERATOR=… -D COMPILER=… -P install.cmake
function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "${command}\nfailed (${result}):\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_greeting)
    if(NOT output MATCHES "consumer of headtorch: gradient 6")
        message(FATAL_ERROR "the consumer printed: ${output}")
    endif()
endfunction()

set(configure ${CMAKE_COMMAND} -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=Debug)
set(consumers ${CMAKE_CURRENT_LIST_DIR})
file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)  # nothing may remember where it was installed

# find_package
run(${configure} -S ${consumers}/consumer -B ${WORK}/package -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/package)
run(${WORK}/package/consumer)
expect_greeting()
run(${WORK}/package/consumer_io ${WORK}/package)

# a newer version than this is not found
execute_process(COMMAND ${configure} -S ${consumers}/consumer -B ${WORK}/newer -D CMAKE_PREFIX_PATH=${WORK}/prefix -D WANTED=0.2
    RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
if(result EQUAL 0)
    message(FATAL_ERROR "find_package(headtorch 0.2) took this version")
endif()

# add_subdirectory, by way of FetchContent; our tests, examples and benchmarks stay out
run(${configure} -S ${consumers}/consumer_subdirectory -B ${WORK}/subdirectory -D FETCHCONTENT_SOURCE_DIR_HEADTORCH=${SOURCE})
run(${CMAKE_COMMAND} --build ${WORK}/subdirectory)
run(${WORK}/subdirectory/consumer)
expect_greeting()
if(EXISTS ${WORK}/subdirectory/_deps/headtorch-build/tests OR EXISTS ${WORK}/subdirectory/_deps/headtorch-build/examples)
    message(FATAL_ERROR "a consumer configured our tests or examples")
endif()

# pkg-config
find_program(PKG_CONFIG NAMES pkg-config pkgconf)
if(PKG_CONFIG)
    set(ENV{PKG_CONFIG_PATH} "${WORK}/prefix/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
    run(${PKG_CONFIG} --cflags --libs headtorch)
    separate_arguments(flags UNIX_COMMAND "${output}")
    if(NOT output MATCHES "prefix")
        message(FATAL_ERROR "pkg-config says `${output}`, which is not where headtorch was moved")
    endif()
    run(${COMPILER} -std=c++20 ${consumers}/consumer/main.cpp ${flags} -o ${WORK}/with_pkg_config)
    run(${WORK}/with_pkg_config)
    expect_greeting()
endif()
