# make install, make uninstall.  DESTDIR and PREFIX as usual; an existing config file stays.
# Nothing is started or enabled: that is the user's or the package's step.
BINDIR         ?= $(PREFIX)/bin
MANDIR         ?= $(PREFIX)/share/man
DOCDIR         ?= $(PREFIX)/share/doc/feedwatch
SYSTEMUNITDIR  ?= $(PREFIX)/lib/systemd/system
USERUNITDIR    ?= $(PREFIX)/lib/systemd/user
CATALOGDIR     ?= $(PREFIX)/lib/systemd/catalog
BASHCOMPDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR     ?= $(PREFIX)/share/zsh/site-functions
CONFDIR        ?= $(SYSCONFDIR)/feedwatch
LOGROTATEDIR   ?= $(SYSCONFDIR)/logrotate.d
MANPAGES       := $(sort $(wildcard man/*.[1-8]))
DROPINS        := $(sort $(wildcard systemd/examples/*.conf))

# What goes where as it is: FILE=PLACE.  conf/ is apart: what the user changed stays.
PLAIN := $(foreach page,$(MANPAGES),$(page)=$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))) \
    $(foreach file,$(DROPINS),$(file)=$(DOCDIR)/examples/$(notdir $(file))) \
    systemd/feedwatch.catalog=$(CATALOGDIR)/feedwatch.catalog \
    conf/completion/feedwatch.bash=$(BASHCOMPDIR)/feedwatch \
    conf/completion/_feedwatch=$(ZSHCOMPDIR)/_feedwatch
UNITS := systemd/feedwatch.service=$(SYSTEMUNITDIR)/feedwatch.service \
    systemd/user/feedwatch.service=$(USERUNITDIR)/feedwatch.service
SETTINGS := conf/feedwatch.ini=$(CONFDIR)/feedwatch.ini conf/logrotate=$(LOGROTATEDIR)/feedwatch

install: $(B)/feedwatch
	install -D -m 755 $(B)/feedwatch '$(DESTDIR)$(BINDIR)/feedwatch'
	for pair in $(PLAIN); do \
	    install -D -m 644 "$${pair%%=*}" "$(DESTDIR)$${pair#*=}" || exit 1; \
	done
	for pair in $(UNITS); do \
	    sed -e 's|/usr/local/bin|$(BINDIR)|' -e 's|/etc/feedwatch|$(CONFDIR)|' \
	        "$${pair%%=*}" >$(B)/unit.tmp && \
	    install -D -m 644 $(B)/unit.tmp "$(DESTDIR)$${pair#*=}" && rm $(B)/unit.tmp || exit 1; \
	done
	for pair in $(SETTINGS); do \
	    test -e "$(DESTDIR)$${pair#*=}" || \
	        install -D -m 644 "$${pair%%=*}" "$(DESTDIR)$${pair#*=}" || exit 1; \
	done

# Takes away what install put there; the settings only while they are as they were shipped.
uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/feedwatch'
	for pair in $(PLAIN) $(UNITS); do rm -f "$(DESTDIR)$${pair#*=}"; done
	for pair in $(SETTINGS); do \
	    if cmp -s "$${pair%%=*}" "$(DESTDIR)$${pair#*=}"; then rm "$(DESTDIR)$${pair#*=}"; fi; \
	done
	for folder in '$(CONFDIR)' '$(DOCDIR)/examples' '$(DOCDIR)'; do \
	    rmdir "$(DESTDIR)$$folder" 2>/dev/null || true; \
	done

.PHONY: install uninstall
