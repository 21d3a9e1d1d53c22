# Identity and store: recorded histories of real feeds, and measurements.
$(B)/tests/replay: $(B)/tests/tools/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

# What is new in 100 polls each of ten real news feeds, against what was recorded.
CHECKS += check-history
check-history: $(B)/tests/replay
	@$(PYTHON) tests/history.py $(B)

.PHONY: check-history

$(B)/tests/bench_store: $(B)/tests/bench/bench_store.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)
# Commits and bytes; the store is made in $(B).
bench-store: $(B)/tests/bench_store
	@$< $(B)
.PHONY: bench-store

# test_dispatch brings a kind of sink of its own.
$(B)/tests/test_dispatch: OWNLD += -Wl,--wrap=sink_type_find
