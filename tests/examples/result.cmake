# headtorch: what an example finds out: numbers of its last line, within bounds.
# SPDX-License-Identifier: MIT
#
# cmake -D PROGRAM=… -D "ARGUMENTS=…;…" -D "BOUNDS=key low high;…" -D WORK=… -P result.cmake
file(MAKE_DIRECTORY ${WORK})
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} --no-plots --out ${WORK} WORKING_DIRECTORY ${WORK}
    RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: exit code ${result}:\n${out}${err}")
endif()
foreach(bound IN LISTS BOUNDS)
    string(REPLACE " " ";" bound "${bound}")
    list(GET bound 0 key)
    list(GET bound 1 low)
    list(GET bound 2 high)
    if(NOT out MATCHES "\nresult:[^\n]* ${key}=([^ \n]+)")
        message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: no ${key} in the last line:\n${out}${err}")
    endif()
    if(NOT CMAKE_MATCH_1 GREATER_EQUAL low OR NOT CMAKE_MATCH_1 LESS_EQUAL high)
        message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: ${key} is ${CMAKE_MATCH_1}, not in [${low}, ${high}]:\n${out}${err}")
    endif()
endforeach()
