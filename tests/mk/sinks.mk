# Signed webhooks: the hash of the library that libcurl is built on.
PKGLIB += $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null || echo -lcrypto)

# Its notification server is made with GLib, which the program itself loads.
$(B)/tests/test_sink_desktop: PKGLIB += $(shell $(PKG_CONFIG) --libs gio-2.0 2>/dev/null)
