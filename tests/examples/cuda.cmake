# headtorch: a few demos on a GPU, or, with HEADTORCH_CUDA_EMULATOR, on the emulated one. Included by tests/cuda.
# SPDX-License-Identifier: MIT
#
# Networks begin with the same numbers on every device: the bounds are those of the CPU, PyTorch's numbers give or take what rounding does.
find_package(CLI11 QUIET)
if(NOT CLI11_FOUND OR NOT "examples" MATCHES "${HEADTORCH_CUDA_TEST_FILES}")
    return()
endif()
include(${PROJECT_SOURCE_DIR}/examples/programs.cmake)
headtorch_example_common()

function(add_cuda_result_test name arguments)
    if(NOT TARGET example.${name}-cuda)
        headtorch_cuda_example(${name})
    endif()
    add_test(NAME cuda.examples.${name} COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:example.${name}-cuda>
        -D "ARGUMENTS=${arguments}" -D "BOUNDS=${ARGN}" -D WORK=${CMAKE_CURRENT_BINARY_DIR}/examples/${name}
        -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/result.cmake)
    set_tests_properties(cuda.examples.${name} PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive" TIMEOUT 900
        SKIP_REGULAR_EXPRESSION "there is no NVIDIA GPU here")
endfunction()
add_cuda_result_test(tensors "" "sum 22 22" "mean 3.6666 3.6667")
add_cuda_result_test(house_price "" "linear 0.13904 0.13905" "relu 0.13904 0.13905" "prelu 0.13904 0.13905"
    "bent_identity 0.78181 0.78182" "soft_exponential 4.53538 4.53540" "soft_exponential2 4.62058 4.62060")
add_cuda_result_test(moons "--seed;1" "epochs 150 154" "best_epoch 135 139" "validation_loss 0.4170 0.4176" "test_accuracy 0.855 0.865")
add_cuda_result_test(circles "" "hand_accuracy 0.84 0.85" "logits_loss 0.1355 0.1359" "p_inside 0.997 0.998" "p_outside 0 0.0001")
add_cuda_result_test(blobs "" "first_loss 1.2887 1.2890" "loss 0.00150 0.00158" "accuracy 1 1" "class_at_minus_one 1 1"
    "class_at_one 3 3")
add_cuda_result_test(disk "--epochs;5" "accuracy_0 0.600 0.615")
add_cuda_result_test(linear_regression "" "one_weight1 45.67 45.68" "one_bias -0.63 -0.62" "one_loss 93.61 93.62"
    "three_weight2 56.20 56.21" "three_loss 101.62 101.63")

add_test(NAME cuda.examples.device COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:example.house_price-cuda> -D OTHER=cpu
    -D NAME=house_price -D WORK=${CMAKE_CURRENT_BINARY_DIR}/examples/device -P ${CMAKE_CURRENT_LIST_DIR}/device.cmake)
