# With ThreadSanitizer.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(KPROXY_SANITIZE thread CACHE STRING "")
