# headtorch: runs the demos one after the other, each into OUT/<name>/, and makes the page that shows them all, OUT/index.html.
# SPDX-License-Identifier: MIT
#
# cmake -D PROGRAMS=DIR -D GALLERY=PROGRAM -D OUT=DIR [-D ONLY=name,name] -P gallery.cmake
#
# A demo that fails does not keep the others from being shown; the script then fails at its end. A demo whose data are not at hand is shown
# as skipped, with the reason, unless it can be shown with data that are drawn here.
set(demos tensors neuron outputs_and_losses activations house_price linear_regression nonlinear_regression moons circles disk blobs
    fashion_mnist cifar10 celeba)
if(ONLY)
    string(REPLACE "," ";" demos "${ONLY}")
endif()
set(ENV{OMP_WAIT_POLICY} passive)  # threads that wait leave the processor to others
set(no_data ": no [^\n]* in ")

# Runs a program; sets `code` and `problem`, the last line of its error stream.
macro(run program)
    execute_process(COMMAND ${PROGRAMS}/${program} ${ARGN} RESULT_VARIABLE code ERROR_VARIABLE problem ECHO_ERROR_VARIABLE)
    string(STRIP "${problem}" problem)
    string(REGEX REPLACE ".*[\r\n]" "" problem "${problem}")
endmacro()

set(failed "")
foreach(name IN LISTS demos)
    message("\n===== ${name}")
    set(place ${OUT}/${name})
    file(REMOVE_RECURSE ${place})
    run(${name} --out ${place})
    if(code EQUAL 2 AND problem MATCHES "${no_data}")
        if(name STREQUAL "cifar10")
            run(${name} --out ${place} --synthetic)
        elseif(name STREQUAL "celeba")
            set(drawn ${OUT}/.celeba)
            file(REMOVE_RECURSE ${drawn})
            run(make_celeba --images 1200 --out ${drawn} --no-plots)
            if(code EQUAL 0)
                run(${name} --out ${place} --data ${drawn} --epochs 8)
            endif()
        endif()
    endif()
    if(NOT code EQUAL 0)
        file(REMOVE ${place}/index.html)
        if(code EQUAL 2 AND problem MATCHES "${no_data}")
            file(WRITE ${place}/problem.txt "Skipped. ${problem}")
        else()
            file(WRITE ${place}/problem.txt "Failed (${code}). ${problem}")
            list(APPEND failed ${name})
        endif()
    endif()
endforeach()

message("\n===== gallery")
execute_process(COMMAND ${GALLERY} ${OUT} ${demos} COMMAND_ERROR_IS_FATAL ANY)
if(failed)
    message(FATAL_ERROR "these demos failed: ${failed}")
endif()
