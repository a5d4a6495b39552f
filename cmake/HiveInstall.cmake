# What `cmake --install` puts where.
#   component sdk:      libraries and headers of the client side, and the package for find_package(hive)
#   component programs: hived, hivectl, hive-worker, the sample configuration
# Headers lie under include/hive, which consumers of hive::client get as an include path.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(hive_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/hive)
set(hive_header_folder ${CMAKE_INSTALL_INCLUDEDIR}/hive)

set(sdk_targets)
foreach(name IN ITEMS proto base config gate messages client)
  if(TARGET hive_${name})
    list(APPEND sdk_targets hive_${name})
  endif()
endforeach()
install(TARGETS ${sdk_targets} EXPORT hive ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT hive NAMESPACE hive:: FILE hiveTargets.cmake DESTINATION ${hive_package_folder} COMPONENT sdk)

install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/generated/hive DESTINATION ${hive_header_folder} COMPONENT sdk
        FILES_MATCHING PATTERN *.pb.h)
install(DIRECTORY proto/hive DESTINATION ${CMAKE_INSTALL_DATADIR}/hive/proto COMPONENT sdk FILES_MATCHING PATTERN *.proto)
install(DIRECTORY base config gate client DESTINATION ${hive_header_folder} COMPONENT sdk FILES_MATCHING PATTERN *.hpp)
# Of actors/ only what goes over the wire; the server's actors stay inside.
install(FILES actors/interfaces.hpp actors/protobuf_inspect.hpp actors/message_types.hpp actors/system_config.hpp
        DESTINATION ${hive_header_folder}/actors COMPONENT sdk)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/hiveConfig.cmake.in ${PROJECT_BINARY_DIR}/hiveConfig.cmake
                              INSTALL_DESTINATION ${hive_package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hiveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hiveConfig.cmake ${PROJECT_BINARY_DIR}/hiveConfigVersion.cmake cmake/FindCAF.cmake
        DESTINATION ${hive_package_folder} COMPONENT sdk)

foreach(program IN ITEMS hived hivectl hive-worker hive-bench)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
  endif()
endforeach()
install(FILES deploy/hive.toml deploy/hived.service DESTINATION ${CMAKE_INSTALL_DATADIR}/hive COMPONENT programs)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
