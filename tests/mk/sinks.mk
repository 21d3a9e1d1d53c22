# Signed webhooks: the hash of the library that libcurl is built on.
PKGLIB += $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null || echo -lcrypto)
