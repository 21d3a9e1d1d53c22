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

# What is preloaded into the program: another calendar, faults.
$(B)/tests/%.so: tests/tools/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -fPIC -shared -o $@ $< -ldl

# The recorded histories, served to the program by a loopback origin in simulated time.
check-recorded: $(B)/feedwatch $(B)/tests/fake_clock.so
	@$(PYTHON) tests/recorded.py $(B) $(RECORDED)
.PHONY: check-recorded
CHECKS += check-recorded

# The long forms of the rows D1-D10 and X11-X12 of the fault table; the short ones are part of
# make e2e.  About half an hour; one row: make torture-store T=test_durable.D1
torture-store: $(B)/feedwatch $(B)/tests/faults.so $(B)/tests/fake_clock.so
	@FEEDWATCH_FULL=1 $(MAKE) --no-print-directory e2e T='$(or $(T),test_durable)'
e2e: $(B)/tests/faults.so $(B)/tests/fake_clock.so
.PHONY: torture-store
