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
