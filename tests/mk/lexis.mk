# Text, dates and URLs: the generated tables.  Named by their users' objects, so that the place
# of this file among the rules does not matter.
LEXIS_GEN := $(B)/gen/gen_html_entities.h $(B)/gen/gen_html_tags.h
GEN       += $(LEXIS_GEN)

$(B)/gen/gen_html_%.h: daemon/text/gen_html.py
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(PYTHON) $< $* $@.new && mv $@.new $@

$(B)/daemon/text/html_entity.o: $(B)/gen/gen_html_entities.h
$(B)/daemon/text/html_tag.o: $(B)/gen/gen_html_tags.h

GEN += $(B)/gen/gen_dates.h
$(B)/gen/gen_dates.h: daemon/text/gen_dates.py daemon/text/date_words.txt daemon/text/date_zones.txt
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(PYTHON) $^ $@.new && mv $@.new $@

$(B)/daemon/text/date_words.o: $(B)/gen/gen_dates.h
