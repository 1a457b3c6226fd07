# With AddressSanitizer and UndefinedBehaviorSanitizer, and the fuzzers; by clang.
set(CMAKE_CXX_COMPILER clang++ CACHE STRING "")
set(CMAKE_BUILD_TYPE None CACHE STRING "")
set(CMAKE_CXX_FLAGS "-O1 -g1" CACHE STRING "")
set(KPROXY_SANITIZE address,undefined CACHE STRING "")
set(KPROXY_FUZZ ON CACHE BOOL "")
