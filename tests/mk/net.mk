# The network rooms: c-ares beside libcurl, and what their tests need beside the library.
PKGLIB += $(shell $(PKG_CONFIG) --libs libcares 2>/dev/null || echo -lcares)

$(B)/tests/test_fetch: $(B)/tests/unit/origin.o $(B)/tests/unit/names.o
$(B)/tests/test_fetch: PKGLIB += -lz

## make bench-poll what a GET costs beside bare libcurl
$(B)/bench/bench_fetch: $(B)/tests/bench/bench_fetch.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)
bench-poll: $(B)/bench/bench_fetch
	@$<

.PHONY: bench-poll
