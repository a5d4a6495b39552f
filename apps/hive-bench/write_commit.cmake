# Writes HEADER with the commit of FOLDER; touches it only when that changed. Runs in every build, so that a report
# never names a commit that it was not built from; "-dirty" stands for changes that are not committed.
execute_process(COMMAND git -C ${FOLDER} describe --always --dirty --abbrev=12 --match= --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#pragma once\n#define HIVE_COMMIT \"${commit}\"\n" @ONLY)
