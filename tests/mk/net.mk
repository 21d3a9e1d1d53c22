# The network rooms: c-ares beside libcurl, and what their tests need beside the library.
PKGLIB += $(shell $(PKG_CONFIG) --libs libcares 2>/dev/null || echo -lcares)

FETCH_TESTS := $(B)/tests/test_fetch $(B)/tests/test_fetch_hostile $(B)/tests/test_fetch_tls
$(FETCH_TESTS): $(addprefix $(B)/tests/unit/,fetch_rig.o origin.o names.o)
$(FETCH_TESTS): PKGLIB += -lz -lssl -lcrypto

## make bench-poll what a GET costs beside bare libcurl
$(B)/bench/bench_fetch: $(B)/tests/bench/bench_fetch.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)
bench-poll: $(B)/bench/bench_fetch
	@$<

.PHONY: bench-poll
