# What `make install` puts beside the program: kvik(1) and the completions, written by the program itself from its option
# tables, and a systemd unit whose path fits the prefix of the installation.
foreach(pair kvik.1:man kvik.bash:bash _kvik:zsh kvik.fish:fish)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 file)
  list(GET pair 1 format)
  add_custom_command(OUTPUT manual/${file} COMMAND kvik help --as ${format} > manual/${file} DEPENDS kvik)
  list(APPEND manual_files ${PROJECT_BINARY_DIR}/manual/${file})
endforeach()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/manual)
add_custom_target(manual ALL DEPENDS ${manual_files})

install(FILES ${PROJECT_BINARY_DIR}/manual/kvik.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_BINARY_DIR}/manual/kvik.bash RENAME kvik
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/manual/_kvik DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_BINARY_DIR}/manual/kvik.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES packaging/kvik.conf packaging/haproxy.cfg DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(CODE "
  set(BINDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR})
  configure_file(${PROJECT_SOURCE_DIR}/packaging/kvik.service.in
    \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/kvik.service @ONLY)")
