# cmake -DBUILD=... -DCONSUMERS=... -DCOMPILER=... -DSANITIZE=... -P install_package.cmake
set(work ${BUILD}/install_package_test)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --component sdk --prefix ${prefix})

# An installed package must not point back into the source or build tree.
file(GLOB_RECURSE package_files ${prefix}/*.cmake)
foreach(file IN LISTS package_files)
  file(READ ${file} text)
  string(REPLACE "${prefix}" "" text "${text}")
  if(text MATCHES "${BUILD}")
    message(FATAL_ERROR "${file} names the build folder")
  endif()
endforeach()

set(flags)
if(SANITIZE)
  set(flags "-DCMAKE_CXX_FLAGS=-fsanitize=address,undefined -fno-sanitize=null,vptr")
endif()
foreach(consumer IN LISTS CONSUMERS)
  get_filename_component(name ${consumer} NAME)
  run(${CMAKE_COMMAND} -S ${consumer} -B ${work}/${name} -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER}
      -DCMAKE_PREFIX_PATH=${prefix} ${flags})
  run(${CMAKE_COMMAND} --build ${work}/${name})
endforeach()
run(${work}/consumer/consumer)
file(REMOVE_RECURSE ${work})
