# Stories: which items of the recorded histories count as one, against labels.
$(B)/tests/story_same: $(B)/tests/tools/story_same.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

CHECKS += check-story
check-story: $(B)/tests/story_same $(B)/feedwatch
	@$(PYTHON) tests/stories.py $(B)
.PHONY: check-story
