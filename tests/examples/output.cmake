# headtorch: what an example prints, line by line; its last line, `result: …`, is another test's.
# SPDX-License-Identifier: MIT
#
# cmake -D PROGRAM=… -D EXPECTED=… -D WORK=… -P output.cmake
file(MAKE_DIRECTORY ${WORK})
execute_process(COMMAND ${PROGRAM} --no-plots --out ${WORK} WORKING_DIRECTORY ${WORK}
    RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM}: exit code ${result}:\n${out}${err}")
endif()
file(READ ${EXPECTED} expected)
string(REGEX REPLACE "result:[^\n]*\n$" "" out "${out}")
if(NOT out STREQUAL expected)
    file(WRITE ${WORK}/printed.txt "${out}")
    execute_process(COMMAND diff ${EXPECTED} ${WORK}/printed.txt OUTPUT_VARIABLE differences ERROR_QUIET)
    message(FATAL_ERROR "${PROGRAM}: what it printed (>) is not what is in ${EXPECTED} (<):\n${differences}")
endif()
