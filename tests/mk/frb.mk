# The contract with publishers, line by line, against the program in $(B).

## make frb       the politeness table: each line of the contract, its tests, pass or fail
frb: $(B)/feedwatch
	@FEEDWATCH_BIN='$(abspath $(B))/feedwatch' FEEDWATCH_LOGS='$(abspath $(B))/test-logs' \
	    $(PYTHON) tests/frb $(P)

.PHONY: frb
