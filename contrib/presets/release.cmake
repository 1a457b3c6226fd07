# Optimised, as packaged.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
