# What looks at the code from outside: coverage, static analysis, data races.  Each has its own
# build folder, so that none disturbs the build in $(B).

UNIT_OF = $(UNIT:$(B)/%=$(1)/%)

## make coverage   lines of the core that the unit tests reach; fails below 90 %
# (gcc 12 crashes when it counts what a format may print and lines at once.)
COVERAGE := build-cov
COUNTING := -O0 --coverage -fprofile-update=atomic -Wno-format-overflow -Wno-format-truncation
coverage:
	@$(MAKE) --no-print-directory B=$(COVERAGE) CC=gcc CFLAGS='$(COUNTING)' \
	    $(call UNIT_OF,$(COVERAGE)) $(COVERAGE)/libfeedwatch.a
	@$(PYTHON) tests/coverage $(COVERAGE) $(if $(LINES),--lines '$(LINES)')

## make analyze    gcc -fanalyzer, clang-tidy and cppcheck over the program
analyze:
	@$(PYTHON) tests/analyze $(TOOLS)

# For tests/analyze.  A file is looked at again when it or a header of it has changed.
analyze-generated: $(GEN)
	@:
$(B)/%.tidy: %.c $(B)/%.o .clang-tidy
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(filter -std=% -D% -I%,$(OWN)) $(PKGCFL) 2>$@.log || \
	    { cat $@.log; exit 1; }
	@touch $@

## make tsan       unit tests and black-box tests under ThreadSanitizer; [E2E="test_x ..."]
tsan:
	@$(PYTHON) tests/run tsan unit-tsan e2e-tsan

.PHONY: coverage analyze analyze-generated tsan

# test_feed_formats lets one allocation after the other fail.
$(B)/tests/test_feed_formats: OWNLD += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
