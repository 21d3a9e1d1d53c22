# Benchmarks beside other programs, of latency, of scale, and the soak.
$(B)/bench/publisher: $(B)/tests/bench/publisher.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ -lm

## make bench      beside newsboat, sfeed and rss2email on the same origin; FEEDS=100: a short form
bench: bench-peers
bench-peers: $(B)/feedwatch $(B)/bench/publisher
	@tests/bench/peers.py $(B) --install $(if $(FEEDS),--feeds $(FEEDS)) \
	    $(if $(PEER_FEEDS),--peer-feeds $(PEER_FEEDS))

.PHONY: bench bench-peers

## make bench-latency  from an item on the wire to a durable line; SECONDS=5: a short form
bench-latency: $(B)/feedwatch $(B)/bench/publisher $(B)/tests/sync_clock.so
	@tests/bench/latency.py $(B) $(if $(SECONDS),--seconds $(SECONDS))
.PHONY: bench-latency

## make soak       a day of 2,000 feeds that misbehave in a quarter of an hour; MINUTES=2: a short form
soak: $(B)/feedwatch $(B)/tests/fast_clock.so $(B)/tests/heap_watch.so
	@tests/bench/soak.py $(B) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FEEDS),--feeds $(FEEDS))
.PHONY: soak

## make bench-curve  cost by feeds, rules, seen items and alerts a second, and its drawing; QUICK=1
bench-curve: $(B)/feedwatch $(B)/bench/publisher $(B)/bench/bench_match $(B)/tests/sync_clock.so \
    $(B)/shared/.stamp
	@tests/bench/curve.py $(B) $(if $(QUICK),--quick,--svg tests/bench/scale.svg)
.PHONY: bench-curve

## make bench-profile  where the time of an item goes, stage by stage, counted by callgrind; FEEDS=50
bench-profile: $(B)/feedwatch $(B)/bench/publisher
	@tests/bench/profile.py $(B) $(if $(FEEDS),--feeds $(FEEDS))
.PHONY: bench-profile

## make bench-workers  what a second poller brings where all feeds change
bench-workers: $(B)/feedwatch $(B)/bench/publisher
	@tests/bench/workers.py $(B) $(if $(FEEDS),--feeds $(FEEDS))
.PHONY: bench-workers
