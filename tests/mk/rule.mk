# test_rule lets one allocation after the other fail.
$(B)/tests/test_rule: OWNLD += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
