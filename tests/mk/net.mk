# The network rooms: c-ares beside libcurl, and what their tests need beside the library.
PKGLIB += $(shell $(PKG_CONFIG) --libs libcares 2>/dev/null || echo -lcares)

FETCH_TESTS := $(B)/tests/test_fetch $(B)/tests/test_fetch_hostile $(B)/tests/test_fetch_tls
$(FETCH_TESTS): $(addprefix $(B)/tests/unit/,fetch_rig.o origin.o names.o)
$(FETCH_TESTS): PKGLIB += -lz -lssl -lcrypto

$(B)/bench/bench_%: $(B)/tests/bench/bench_%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

# A GET alone, without what comes after it.
bench-fetch: $(B)/bench/bench_fetch
	@$<

## make bench-poll what polling costs beside bare libcurl and Expat; [FEEDS [ROUNDS]] by hand
$(B)/bench/bench_poll: $(addprefix $(B)/tests/bench/,bench_origin.o bench_bare.o) \
    $(B)/tests/unit/names.o
$(B)/bench/bench_poll: PKGLIB += -lssl -lcrypto
bench-poll: $(B)/bench/bench_poll
	@$<

.PHONY: bench-fetch bench-poll

## make bench-scale 100,000 feeds in one process: ready when, idle memory
bench-scale: $(B)/feedwatch
	@$(PYTHON) tests/bench/scale.py $(B)

.PHONY: bench-scale
