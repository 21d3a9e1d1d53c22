# The network rooms: what their tests need beside the library.
$(B)/tests/test_fetch: $(B)/tests/unit/origin.o
