# A Debian package of what is installed, with a systemd unit and a configuration: cpack -G DEB
#
# What is installed here is for the package alone, which lies where Debian wants it; what
# `cmake --install` installs can go anywhere.
set(package_only COMPONENT package EXCLUDE_FROM_ALL)
install(FILES contrib/systemd/kproxy.service DESTINATION lib/systemd/system ${package_only})
install(FILES contrib/debian/config.yaml DESTINATION /etc/kproxy ${package_only})
install(FILES README.md contrib/migration.md DESTINATION share/doc/kproxy ${package_only})

foreach(program kpcompile kproxy)
  install(FILES contrib/completions/${program}.zsh RENAME _${program}
          DESTINATION share/zsh/vendor-completions ${package_only})
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};kproxy;Unspecified;/"
                                 "${CMAKE_BINARY_DIR};kproxy;package;/")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)  # for /etc
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME kproxy)
set(CPACK_PACKAGE_CONTACT "The kproxy maintainers <kproxy@localhost>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(file conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/contrib/debian/${file})
endforeach()
include(CPack)
