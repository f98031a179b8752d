# headtorch: the pages that demos leave, opened in headless Chromium, wide and narrow.
# SPDX-License-Identifier: MIT
#
# cmake -D PROGRAMS=DIR -D GALLERY=PROGRAM -D SCRIPT=gallery.cmake -D DEMOS=name,name -D WORK=DIR -P pages.cmake
#
# Fails on a picture that is not there or cannot be decoded, on a link that leads nowhere, and on a page wider than its window.
find_program(CHROMIUM NAMES chromium chromium-browser google-chrome google-chrome-stable chrome)
find_program(GNUPLOT gnuplot)
foreach(program IN ITEMS CHROMIUM GNUPLOT)
    if(NOT ${program})
        message("pages: skipped, there is no ${program}")
        return()
    endif()
endforeach()

# Reports what the browser thinks of the page that it stands in, to the page around it.
set(report [=[<script>
addEventListener('load', () => {
  const images = [...document.images], bad = images.filter(image => !image.naturalWidth).map(image => image.getAttribute('src'));
  const root = document.documentElement;
  parent.postMessage(`${innerWidth} wide: ${images.length} pictures, broken [${bad}], ${Math.max(0, root.scrollWidth - innerWidth)} too wide`, '*');
});
</script>]=])

# Opens a page in both widths; `seen` is what the browser said, a line for each.
function(look page)
    cmake_path(GET page PARENT_PATH folder)
    file(READ ${page} text)
    string(REPLACE " loading=\"lazy\"" "" text "${text}")
    string(REPLACE "</body>" "${report}</body>" text "${text}")
    file(WRITE ${folder}/inner.html "${text}")
    file(WRITE ${folder}/outer.html "<!doctype html><body><script>
addEventListener('message', event => document.body.append(Object.assign(document.createElement('p'), {textContent: event.data})));
</script><iframe src='inner.html' width='1200' height='900'></iframe><iframe src='inner.html' width='360' height='900'></iframe></body>")
    execute_process(COMMAND ${CHROMIUM} --headless --no-sandbox --disable-gpu --user-data-dir=${WORK}/profile --virtual-time-budget=20000
        --timeout=60000 --dump-dom file://${folder}/outer.html OUTPUT_VARIABLE dom ERROR_VARIABLE noise RESULT_VARIABLE code TIMEOUT 120)
    file(REMOVE ${folder}/inner.html ${folder}/outer.html)
    string(REGEX MATCHALL "[0-9]+ wide: [^<]*" seen "${dom}")
    list(LENGTH seen windows)
    if(NOT code EQUAL 0 OR NOT windows EQUAL 2)
        message(FATAL_ERROR "pages: ${page}: Chromium ended with ${code} and saw ${windows} windows of 2:\n${dom}\n${noise}")
    endif()
    set(seen "${seen}" PARENT_SCOPE)
endfunction()

function(check page least)
    look(${page})
    foreach(window IN LISTS seen)
        if(NOT window MATCHES "([0-9]+) pictures, broken \\[\\], 0 too wide" OR CMAKE_MATCH_1 LESS least)
            message(FATAL_ERROR "pages: ${page}: at least ${least} pictures wanted, none of them broken, nothing too wide; but: ${window}")
        endif()
        message("${page}: ${window}")
    endforeach()
    cmake_path(GET page PARENT_PATH folder)
    file(READ ${page} text)
    string(REGEX MATCHALL "href=\"[^\"#:]+\"" links "${text}")
    foreach(link IN LISTS links)
        string(REGEX REPLACE "href=\"(.*)\"" "\\1" link "${link}")
        if(NOT EXISTS ${folder}/${link})
            message(FATAL_ERROR "pages: ${page}: the link ${link} leads nowhere")
        endif()
    endforeach()
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
execute_process(COMMAND ${CMAKE_COMMAND} -D PROGRAMS=${PROGRAMS} -D GALLERY=${GALLERY} -D OUT=${WORK}/gallery -D ONLY=${DEMOS} -P ${SCRIPT}
    COMMAND_ERROR_IS_FATAL ANY)
set(pictures 0)
string(REPLACE "," ";" DEMOS "${DEMOS}")
foreach(demo IN LISTS DEMOS)
    file(GLOB drawn ${WORK}/gallery/${demo}/*.png ${WORK}/gallery/${demo}/*.svg)
    list(LENGTH drawn count)
    check(${WORK}/gallery/${demo}/index.html ${count})
    if(drawn)
        math(EXPR pictures "${pictures} + 1")
    endif()
endforeach()
check(${WORK}/gallery/index.html ${pictures})

# The check itself is worth something: it sees a picture that is damaged, and one that is gone.
list(GET DEMOS 0 demo)
file(GLOB pictures ${WORK}/gallery/${demo}/*.png)
list(GET pictures 0 picture)
cmake_path(GET picture FILENAME name)
file(WRITE ${picture} "no picture")
look(${WORK}/gallery/${demo}/index.html)
if(NOT seen MATCHES "broken \\[[^]]*${name}")
    message(FATAL_ERROR "pages: a damaged picture went unseen: ${seen}")
endif()
file(REMOVE ${picture})
look(${WORK}/gallery/${demo}/index.html)
if(NOT seen MATCHES "broken \\[[^]]*${name}")
    message(FATAL_ERROR "pages: a missing picture went unseen: ${seen}")
endif()
