# Text folding and the matcher: the generated tables, fuzz targets and benchmarks.
# The generator runs on the build machine; utf8proc is needed there only.
HOSTCC ?= cc

$(B)/gen/text_gen: daemon/text/gen/text_gen.c daemon/text/text_classes.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(HOSTCC) -std=c11 -O2 -o $@ $< -lutf8proc -lpcre2-8

$(B)/gen/text_tables.h: $(B)/gen/text_gen
	$(call say,GEN,$@)
	$(Q)$(B)/gen/text_gen >$@.new && mv $@.new $@

$(B)/daemon/text/text_fold.o: $(B)/gen/text_tables.h

# The slow reference that the tests compare with.
REFERENCE := $(B)/tests/unit/match_reference_text.o $(B)/tests/unit/match_reference.o
$(B)/tests/test_text $(B)/tests/test_match_property: $(REFERENCE)
$(B)/tests/test_text $(B)/tests/test_match_property: PKGLIB += $(LIB) -lutf8proc
RANDOM_RULES := $(B)/tests/unit/match_random.o $(B)/tests/unit/match_random_text.o
$(B)/tests/test_match_property: $(RANDOM_RULES)

## make bench-match what matching costs, at 10 to 1,000,000 rules
$(B)/bench/bench_match: $(B)/tests/bench/bench_match.o $(B)/tests/bench/bench_items.o
$(B)/bench/bench_text: $(B)/tests/bench/bench_text.o $(B)/tests/bench/bench_items.o
$(B)/bench/bench_text: PKGLIB += -lutf8proc $(shell $(PKG_CONFIG) --libs icu-uc icu-i18n 2>/dev/null)
$(B)/bench/bench_match $(B)/bench/bench_text: $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(PKGLIB)

$(B)/shared/.stamp:
	@test -x '$(FEEDWATCH_SHARED)/tools/unpack' || \
	    { echo 'No test data: FEEDWATCH_SHARED=$(FEEDWATCH_SHARED) has no tools/unpack'; exit 1; }
	@mkdir -p $(B)/shared
	$(Q)'$(FEEDWATCH_SHARED)/tools/unpack' $(B)/shared

## make bench-text  folding and tokenising beside utf8proc and ICU on the same text
bench-text: $(B)/bench/bench_text $(B)/shared/.stamp
	@$< $(B)/shared

bench-match: $(B)/bench/bench_match $(B)/shared/.stamp
	@$< $(LEARN) $(B)/shared/polls $(RULES) $(KIND)

.PHONY: bench-match bench-text

# test_match counts allocations, and lets one after the other fail.
$(B)/tests/test_match: OWNLD += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(B)/fuzz/fuzz_text: $(REFERENCE)
$(B)/fuzz/fuzz_match: $(REFERENCE) $(RANDOM_RULES)
$(B)/fuzz/fuzz_text $(B)/fuzz/fuzz_match: PKGLIB += $(LIB) -lutf8proc

## make check-match  random rules against real items: the same hits as the slow reference
$(B)/bench/match_check: $(B)/tests/bench/match_check.o $(B)/tests/unit/match_random.o \
    $(REFERENCE)
$(B)/bench/match_check: PKGLIB += $(LIB) -lutf8proc
$(B)/tests/bench/match_check.o: OWN += -Itests
check-match: $(B)/bench/match_check $(B)/shared/.stamp
	@$< $(B)/shared $(PAIRS)
DATA_CHECKS += check-match
.PHONY: check-match
