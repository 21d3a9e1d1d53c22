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
$(B)/tests/%.so: tests/tools/%.c tests/tools/clock_calls.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -fPIC -shared -o $@ $< -ldl

# The program with faults before its own allocations: what a sanitizer lets be preloaded has
# none in front of its allocator.
$(B)/tests/tools/faults.o: OWN += -DFAULTS_LINKED
WRAPPED := malloc calloc realloc strdup strndup asprintf
$(B)/tests/feedwatch-faults: OWNLD += $(WRAPPED:%=-Wl,--wrap=%)
$(B)/tests/feedwatch-faults: $(B)/daemon/main.o $(B)/tests/tools/faults.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

# What the end-to-end tests need beside the program.
E2E_TOOLS := $(B)/tests/faults.so $(B)/tests/feedwatch-faults $(B)/tests/fake_clock.so
e2e-tools: $(E2E_TOOLS)
e2e: $(E2E_TOOLS)
.PHONY: e2e-tools

# The recorded histories, served to the program by a loopback origin in simulated time.
check-recorded: $(B)/feedwatch $(B)/tests/fake_clock.so
	@$(PYTHON) tests/recorded.py $(B) $(RECORDED)
.PHONY: check-recorded
CHECKS += check-recorded

# The long forms of the rows D1-D9 and X11-X12 of the fault table; the short ones are part of
# make e2e.  About half an hour; one row: make torture-store T=test_durable.D1
torture-store: $(B)/feedwatch $(E2E_TOOLS)
	@FEEDWATCH_FULL=1 $(MAKE) --no-print-directory e2e T='$(or $(T),test_durable)'
# Each allocation, and each call on a file of the store and the log, fails once in a start, a
# poll, a delivery, a reload and a stop.  About an hour on two idle cores; one scenario:
# make torture-alloc T=test_torture.Memory.test_reload
torture-alloc: $(B)/feedwatch $(E2E_TOOLS)
	@FEEDWATCH_FULL=1 $(MAKE) --no-print-directory e2e T='$(or $(T),test_torture)'
.PHONY: torture-store torture-alloc
