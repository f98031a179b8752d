# headtorch: one case of what must not compile.
# SPDX-License-Identifier: MIT
#
# cmake -D COMPILER=… -D CASE=… -P must_not_compile.cmake -- flags…
# The case compiles when CORRECTED is defined, so that it fails for its own reason only; without, it fails and says what it should.
set(flags "")
set(taking FALSE)
foreach(i RANGE ${CMAKE_ARGC})
    if(taking AND NOT "${CMAKE_ARGV${i}}" MATCHES "^(-I/usr/include)?$")  # a compiler finds that one by itself
        list(APPEND flags "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
        set(taking TRUE)
    endif()
endforeach()
set(command ${COMPILER} -std=c++20 ${flags} -fsyntax-only ${CASE})

execute_process(COMMAND ${command} -DCORRECTED RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "does not compile when corrected:\n${output}")
endif()

execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "compiles, and must not")
endif()
file(STRINGS ${CASE} expectations REGEX "^// expect: ")
if(NOT expectations)
    message(FATAL_ERROR "${CASE} has no line `// expect: text`")
endif()
foreach(expectation IN LISTS expectations)
    string(REGEX REPLACE "^// expect: " "" expectation "${expectation}")
    string(FIND "${output}" "${expectation}" place)
    if(place EQUAL -1)
        message(FATAL_ERROR "the compiler's output lacks `${expectation}`:\n${output}")
    endif()
endforeach()
