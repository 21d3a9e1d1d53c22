# make install, make uninstall.  DESTDIR and PREFIX as usual; an existing config file stays.
# Nothing is started or enabled: that is the user's or the package's step.
BINDIR         ?= $(PREFIX)/bin
MANDIR         ?= $(PREFIX)/share/man
SYSTEMUNITDIR  ?= $(PREFIX)/lib/systemd/system
USERUNITDIR    ?= $(PREFIX)/lib/systemd/user
CATALOGDIR     ?= $(PREFIX)/lib/systemd/catalog
CONFDIR        ?= $(SYSCONFDIR)/feedwatch
MANPAGES       := $(sort $(wildcard man/*.[1-8]))
# $(call man_to,man/x.1): where a page goes
man_to = $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))

install: $(B)/feedwatch
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(SYSTEMUNITDIR)' '$(DESTDIR)$(USERUNITDIR)' \
	    '$(DESTDIR)$(CONFDIR)'
	install -m 755 $(B)/feedwatch '$(DESTDIR)$(BINDIR)/feedwatch'
	for page in $(MANPAGES); do \
	    to='$(DESTDIR)$(MANDIR)/man'$${page##*.}; \
	    install -d "$$to" && install -m 644 $$page "$$to" || exit 1; \
	done
	sed -e 's|/usr/local/bin|$(BINDIR)|' -e 's|/etc/feedwatch|$(CONFDIR)|' \
	    systemd/feedwatch.service >$(B)/feedwatch.service
	install -m 644 $(B)/feedwatch.service '$(DESTDIR)$(SYSTEMUNITDIR)/feedwatch.service'
	sed -e 's|/usr/local/bin|$(BINDIR)|' systemd/user/feedwatch.service >$(B)/feedwatch.service
	install -m 644 $(B)/feedwatch.service '$(DESTDIR)$(USERUNITDIR)/feedwatch.service'
	rm $(B)/feedwatch.service
	install -d '$(DESTDIR)$(CATALOGDIR)'
	install -m 644 systemd/feedwatch.catalog '$(DESTDIR)$(CATALOGDIR)/feedwatch.catalog'
	test -e '$(DESTDIR)$(CONFDIR)/feedwatch.ini' || \
	    install -m 644 conf/feedwatch.ini '$(DESTDIR)$(CONFDIR)/feedwatch.ini'

# Takes away what install put there; the config file only while it is as it was shipped.
uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/feedwatch' '$(DESTDIR)$(SYSTEMUNITDIR)/feedwatch.service' \
	    '$(DESTDIR)$(USERUNITDIR)/feedwatch.service' \
	    '$(DESTDIR)$(CATALOGDIR)/feedwatch.catalog' \
	    $(foreach page,$(MANPAGES),'$(call man_to,$(page))')
	if cmp -s conf/feedwatch.ini '$(DESTDIR)$(CONFDIR)/feedwatch.ini'; then \
	    rm '$(DESTDIR)$(CONFDIR)/feedwatch.ini'; \
	    rmdir '$(DESTDIR)$(CONFDIR)' 2>/dev/null || true; \
	fi

.PHONY: install uninstall
