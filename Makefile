# feedwatch: build, test and install.  `make help` lists the targets.
#
# CFLAGS, LDFLAGS and CPPFLAGS stay the user's; what the project needs is in OWN.
# One build folder per flavour: `make B=build-asan CC=clang CFLAGS="-g -fsanitize=address"`.

VERSION    := 0.1.0
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
B          ?= build
CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config
PYTHON     ?= python3

# Where the shared test data lives; tests that need it say so when it is absent.
export FEEDWATCH_SHARED ?= ../shared

PKGS   := libcurl expat inih sqlite3 libsystemd libpcre2-8 json-c libxxhash libzstd
# libnotify is loaded when it is needed (daemon/alert/sink_desktop_lib.h).
PKGCFL := $(shell $(PKG_CONFIG) --cflags $(PKGS) libnotify 2>/dev/null | sed 's/-I/-isystem /g')
PKGLIB := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lpthread -lm

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wvla \
        -Wmissing-prototypes -Wformat=2
HARD := -fstack-protector-strong -fPIE
ifeq ($(findstring -fsanitize,$(CFLAGS)),)
ifneq ($(findstring -O,$(CFLAGS)),)
HARD += -D_FORTIFY_SOURCE=2
endif
endif
OWN  := -std=c11 -D_GNU_SOURCE -Iinclude -I$(B)/gen $(WARN) $(HARD) -MMD -MP \
        -DFEEDWATCH_VERSION='"$(VERSION)"' -DFEEDWATCH_SYSCONFDIR='"$(SYSCONFDIR)"'
# A page about this installation or package, for publishers: feedwatch/VERSION (+HOMEPAGE)
# is the User-Agent.  The key `contact` of the config names another one; with neither the
# User-Agent has none.
HOMEPAGE ?=
OWN += -DFEEDWATCH_HOMEPAGE='"$(HOMEPAGE)"'
OWNLD := -pie -Wl,-z,relro,-z,now

SRC   := $(sort $(wildcard daemon/*/*.c))
OBJ   := $(SRC:%.c=$(B)/%.o)
LIB   := $(B)/libfeedwatch.a
UNIT  := $(patsubst tests/unit/%.c,$(B)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))

V ?= 0
Q_0 := @
Q := $(Q_$(V))
say = @printf '  %-5s %s\n' $(1) $(2)

all: $(B)/feedwatch

$(B)/feedwatch: $(B)/daemon/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB)

$(LIB): $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Objects wait for generated headers (GEN, filled by tests/mk/*.mk and below).
$(B)/%.o: %.c Makefile | $(GEN)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(OWN) $(PKGCFL) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/tests/test_%: $(B)/tests/unit/test_%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OWNLD) $(LDFLAGS) -o $@ $^ $(PKGLIB) -lcmocka
$(B)/tests/unit/%.o: OWN += -Itests

include $(sort $(wildcard tests/mk/*.mk))

unit: $(UNIT)
	@for t in $^; do $$t || exit 1; done

CODE = $(shell find daemon include tests -name '*.[ch]')
format:
	clang-format -i $(CODE)
format-check:
	@clang-format --dry-run -Werror $(CODE)

clean:
	rm -rf $(B)

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)
## make            build $(B)/feedwatch
## make demo       install what is needed, build, and watch shipped feeds for half a minute
## make test       install what is needed and run every test; ends with "N passed, N failed"
## make unit       unit tests only; run one by build/tests/test_date [NAME]
## make format     lay the code out as .clang-format says
## make install    DESTDIR=, PREFIX=/usr/local, SYSCONFDIR=/etc; make uninstall takes it away
## make HOMEPAGE=https://...   what the User-Agent names unless the config has `contact`

# Keep the objects of tests; a rebuild of one test is then a link.
.SECONDARY:

.PHONY: all unit format format-check clean help
-include $(OBJ:.o=.d) $(B)/daemon/main.d $(wildcard $(B)/tests/*/*.d)
