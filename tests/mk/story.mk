# Stories: which items of the recorded histories count as one, against labels.
$(B)/tests/story_same: $(B)/tests/tools/story_same.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

CHECKS += check-story
check-story: $(B)/tests/story_same $(B)/feedwatch
	@$(PYTHON) tests/stories.py $(B)
.PHONY: check-story

# What looking for the story of an item costs.
$(B)/tests/bench_story: $(B)/tests/bench/bench_story.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)
bench-story: $(B)/tests/bench_story
	@$<
.PHONY: bench-story
