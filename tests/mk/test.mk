# make demo, make test, and the stages of tests/run one by one.
# demo and test start on a machine that has nothing but make: what they need is installed by
# tests/setup, and the build is a make of its own, so that it sees what was installed.

demo:
	@tests/setup build
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo $(B)

test:
	@tests/setup test
	@$(PYTHON) tests/run

# Black-box tests of the program in $(B); one: make e2e T=test_streaming.Streaming.test_gzip
e2e: $(B)/feedwatch
	@cd tests/e2e && FEEDWATCH_BIN='$(abspath $(B))/feedwatch' \
	    FEEDWATCH_LOGS='$(abspath $(B))/test-logs' $(PYTHON) -m unittest -v $(T)

# Fuzz targets: $(B)/fuzz/fuzz_date -max_total_time=10 [CORPUS]; build with the fuzz flavour.
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)
$(B)/tests/fuzz/%.o: OWN += -Itests
fuzz: $(FUZZ)

# What the stage "checks" of tests/run makes: CHECKS always (other files add theirs), DATA_CHECKS
# when the shared test data is there.
DATA_CHECKS += score-floor check-parse check-farm

.PHONY: demo test e2e fuzz
