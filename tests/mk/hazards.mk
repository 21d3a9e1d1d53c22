# The rows of the hazards table and their tests, against the program in $(B).

## make hazards   the hazards table: each network and SSRF row (or ROWS=...), pass or fail
hazards: $(B)/feedwatch $(if $(filter-out N% S%,$(ROWS)),$(UNIT))
	@FEEDWATCH_BIN='$(abspath $(B))/feedwatch' FEEDWATCH_LOGS='$(abspath $(B))/test-logs' \
	    $(PYTHON) tests/hazards $(ROWS)

hazards-list:
	@$(PYTHON) tests/hazards --list
CHECKS += hazards-list

.PHONY: hazards hazards-list
