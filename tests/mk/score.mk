# The parser against the shared test data, which is unpacked into $(B)/shared.
## make score        conformance of the parser by field and source; item counts of real feeds
## make check-parse  any split of a feed gives the same items; a cut one gives a prefix
## make check-farm   10,000 damaged feeds are read in time, in any split, without harm
## make bench-parse  speed of the parser beside bare Expat, and its memory

SHARED_DATA := $(B)/shared/open

$(SHARED_DATA):
	@test -x '$(FEEDWATCH_SHARED)/tools/unpack' || { \
	    echo "*** no test data: FEEDWATCH_SHARED=$(FEEDWATCH_SHARED) has no tools/unpack" >&2; exit 1; }
	@'$(FEEDWATCH_SHARED)/tools/unpack' '$(B)/shared'

score: $(B)/feedwatch $(SHARED_DATA)
	@$(PYTHON) tests/score '$(B)'
score-floor: $(B)/feedwatch $(SHARED_DATA)
	@$(PYTHON) tests/score '$(B)' --floor

$(B)/bench/%: $(B)/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

check-parse: $(B)/bench/parse_check $(SHARED_DATA)
	@find '$(SHARED_DATA)' -name '*.xml' | sort | xargs $(B)/bench/parse_check --cuts=$(CUTS) && \
	    find '$(SHARED_DATA)' -name '*.json' -size +1k | sort | xargs $(B)/bench/parse_check --cuts=20 && \
	    echo "check-parse: every split and every cut is fine"
CUTS ?= 200

check-farm: $(B)/bench/parse_farm $(SHARED_DATA)
	@cd '$(B)' && find shared/open/real-* -name '*.xml' | sort | xargs bench/parse_farm --count=$(FARM)
FARM ?= 10000

bench-parse: $(B)/bench/parse_bench $(SHARED_DATA)
	@find '$(SHARED_DATA)'/real-* -name '*.xml' | sort | xargs $(B)/bench/parse_bench

## make bench-known  how many items of real polls are known by their bytes, and what that saves
bench-known: $(B)/bench/bench_known $(SHARED_DATA)
	@cd '$(B)' && find shared/polls -name '*.xml' | sort | xargs bench/bench_known
.PHONY: bench-known

.PHONY: score score-floor check-parse check-farm bench-parse
