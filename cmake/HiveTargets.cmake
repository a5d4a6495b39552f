# hive_library(NAME SOURCES ... LINKS ...): a static library hive_NAME (alias hive::NAME) of one folder.
# hive_program(NAME SOURCES ... LINKS ...): an executable in build/bin.
# hive_test(NAME SOURCES ... LINKS ...): a Catch2 executable; each test case is a ctest.

function(hive_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(HIVE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

function(hive_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(hive_${name} STATIC ${ARG_SOURCES})
  add_library(hive::${name} ALIAS hive_${name})
  set_target_properties(hive_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(hive_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                                 $<INSTALL_INTERFACE:include/hive> $<INSTALL_INTERFACE:include>)
  target_link_libraries(hive_${name} PUBLIC ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
  target_compile_features(hive_${name} PUBLIC cxx_std_20)  # travels to consumers of the installed package
  hive_warnings(hive_${name})
endfunction()

function(hive_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} $<TARGET_NAME_IF_EXISTS:hive_allocator>)
  hive_warnings(${name})
endfunction()

function(hive_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;COST" "SOURCES;LINKS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_COST)
    set(ARG_COST 0)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hive_test_main ${ARG_LINKS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  hive_warnings(${name})
  catch_discover_tests(${name} TEST_PREFIX "${name}: " PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${ARG_COST}
                                                           LABELS "${ARG_LABELS}")
endfunction()
