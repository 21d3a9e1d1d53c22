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
$(B)/tests/test_match_property: $(B)/tests/unit/match_random.o
