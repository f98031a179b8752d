# headtorch: --device lets the program for the other device, which lies beside this one, go on with the same arguments.
# SPDX-License-Identifier: MIT
#
# cmake -D PROGRAM=… -D OTHER=cpu|cuda -D NAME=… -D WORK=… -P device.cmake
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(own ${NAME})
set(other ${NAME}-cuda)
if(OTHER STREQUAL "cpu")
    set(own ${NAME}-cuda)
    set(other ${NAME})
endif()
file(COPY_FILE ${PROGRAM} ${WORK}/${own})

function(run)
    execute_process(COMMAND ${WORK}/${own} --epochs 3 --device ${OTHER} --seed 2
        RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
    set(result "${result}" PARENT_SCOPE)
    set(all "${out}${err}" PARENT_SCOPE)
endfunction()

run()
if(NOT result EQUAL 2 OR NOT all MATCHES "^${NAME}: --device ${OTHER}: there is no ${other} beside this program[^\n]*\n$")
    message(FATAL_ERROR "${own}: exit code ${result}, not 2 with one line about ${other}:\n${all}")
endif()
file(WRITE ${WORK}/${other} "#!/bin/sh\necho \"other: $*\"\n")
file(CHMOD ${WORK}/${other} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
run()
if(NOT result EQUAL 0 OR NOT all STREQUAL "other: --epochs 3 --device ${OTHER} --seed 2\n")
    message(FATAL_ERROR "${own}: exit code ${result}, and not what ${other} prints:\n${all}")
endif()
