# headtorch: the command line of one example.
# SPDX-License-Identifier: MIT
#
# cmake -D PROGRAM=… -D NAME=… -D WORK=… -P command_line.cmake
function(run)
    execute_process(COMMAND ${PROGRAM} ${ARGV} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
    set(result "${result}" PARENT_SCOPE)
    set(out "${out}" PARENT_SCOPE)
    set(err "${err}" PARENT_SCOPE)
endfunction()

function(expect_refusal text)
    run(${ARGN})
    if(NOT result EQUAL 2 OR NOT out STREQUAL "" OR NOT err MATCHES "^${NAME}: [^\n]*${text}[^\n]*\n$")
        message(FATAL_ERROR "${NAME} ${ARGN}: exit code ${result}, not 2 with one line about ${text}:\n${out}${err}")
    endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

run(--help)
foreach(option IN ITEMS --help --seed --epochs --threads --out --data --no-plots)
    string(FIND "${out}" "${option}" place)
    if(NOT result EQUAL 0 OR place EQUAL -1)
        message(FATAL_ERROR "${NAME} --help: exit code ${result}, ${option} at ${place}:\n${out}${err}")
    endif()
endforeach()

expect_refusal("--epochs" --epochs -1)
expect_refusal("--epochs" --epochs=many)
expect_refusal("--threads" --threads -2)
expect_refusal("--seed" --seed 1.5)
expect_refusal("--out" --out /dev/null/here)
expect_refusal("--data" --data ${WORK}/nowhere)
expect_refusal("--colour" --colour red)

# One epoch, and the last line.
run(--epochs 1 --threads 1 --no-plots --out ${WORK}/out)
if(NOT result EQUAL 0 OR NOT out MATCHES "(^|\n)result:( [a-z0-9_]+=[^ \n]+)+\n$")
    message(FATAL_ERROR "${NAME} --epochs 1: exit code ${result}, or the last line is not `result: key=value …`:\n${out}${err}")
endif()
file(GLOB pictures ${WORK}/out/*.png ${WORK}/out/*.svg ${WORK}/*.png ${WORK}/*.svg)
if(pictures)
    message(FATAL_ERROR "${NAME} --no-plots drew ${pictures}")
endif()
