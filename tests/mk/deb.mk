# A Debian package, by Debian's own tools, of the tree as it is.  debian/ lies in conf/debian;
# the tree that dpkg-buildpackage wants is laid out below $(B).
## make deb        build $(B)/deb/feedwatch_VERSION_ARCH.deb and let lintian look at it
DEB_TREE := $(B)/deb/feedwatch-$(VERSION)

deb:
	@command -v dh lintian >/dev/null || { \
	    echo 'make deb needs the packages build-essential, debhelper and lintian' >&2; exit 1; }
	@test "$$(dpkg-parsechangelog -l conf/debian/changelog -S Version)" = '$(VERSION)' || { \
	    echo 'conf/debian/changelog has another version than the Makefile' >&2; exit 1; }
	rm -rf '$(B)/deb' && mkdir -p '$(DEB_TREE)/tests'
	cp -r daemon include conf man systemd Makefile LICENSE README.md '$(DEB_TREE)'
	cp -r tests/mk '$(DEB_TREE)/tests'
	mv '$(DEB_TREE)/conf/debian' '$(DEB_TREE)/debian'
	cd '$(DEB_TREE)' && env -u MAKEFLAGS -u MAKELEVEL -u B -u CFLAGS -u CC \
	    dpkg-buildpackage --build=binary --no-sign -j2
	cd '$(B)/deb' && lintian --info --fail-on error feedwatch_$(VERSION)_*.changes

.PHONY: deb
