#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fetch: the pristine base as a git repository with the tag "base". It comes from
# the Debian package named in bases/$BASE.env, kept in a cache that all checkouts
# share, or from the tree that KSRC names. And, for a foreign architecture, the guest's
# busybox, from Debian's package for it.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths

# archive SUITE: where this machine's own apt has the Debian archive that holds
# SUITE, so that no address needs to stand here. Backports live in the main
# archive, security updates in their own.
archive() {
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	case $1 in *-security) codename+=-security ;; esac
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(REPO_URI)|$(CODENAME)' |
		awk -F'|' -v codename="$codename" '$2 == codename { print $1; exit }'
}

# private_apt CMD...: apt-get that knows only one suite, as any user, and leaves the
# machine's own apt alone. Downloads land in $part/deb.
private_apt() {
	cd "$part/deb" || return
	apt-get -q -o Dir::Etc::SourceList="$part/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$part/apt/lists" -o Dir::Cache="$part/apt/cache" \
		-o APT::Sandbox::User=root "$@"
}

# read_suite SUITE: the lists for private_apt.
read_suite() {
	local uri
	uri=$(archive "$1")
	[ -n "$uri" ] || die FETCH "apt knows no Debian archive here; run apt-get update as root, then this again"
	mkdir -p "$part/apt/lists/partial" "$part/apt/cache/archives/partial" "$part/deb"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $1 main" \
		>"$part/apt/sources.list"
	step "fetch: package lists of $1" "$log" "${apt[@]}" update --error-on=any ||
		die FETCH "apt-get cannot read $1: no network, or this mirror lacks the suite" "$log"
}

# keep FILE: move a download into the cache; prints where it is.
keep() {
	# across file systems mv is no single step, the rename after it is
	mv "$1" "$cache/.part.$$"
	mv "$cache/.part.$$" "$cache/$(basename "$1")"
	echo "$cache/$(basename "$1")"
}

check_sum() {
	local sum
	sum=$(sha256sum "$1" | cut -d' ' -f1)
	[ "$sum" = "$SHA256" ] ||
		die FETCH "sha256 of $1 is $sum, bases/$BASE.env says $SHA256; delete the file and run this again"
}

# download: the package of exactly VERSION, into the cache; sets $deb. If the suite has
# dropped that version, the newest of the same release (the package's name holds
# it), with a clear note: the archive's signature vouches for it, but the series
# was not tested on it.
download() {
	local file apt=(private_apt)
	read_suite "$SUITE"
	if ! step "fetch: $PACKAGE $VERSION" "$log" private_apt download "$PACKAGE=$VERSION"; then
		note "NOTE: cannot have $PACKAGE $VERSION from $SUITE; trying the newest one, which the series was not tested on"
		step "fetch: $PACKAGE, newest" "$log" private_apt download "$PACKAGE" ||
			die FETCH "cannot download $PACKAGE" "$log"
	fi
	file=$(find "$part/deb" -name '*.deb')
	if [ "$file" = "$part/deb/$pinned" ]; then check_sum "$file"; fi
	deb=$(keep "$file")
}

# unpack DEB DIR: the source tarball inside the package.
unpack() {
	mkdir -p "$2" || return
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$PACKAGE.tar.xz" |
		tar -xJ -C "$2" --strip-components=1
}

# check_release DIR: is it a kernel tree, and of the release the series is for?
check_release() {
	local found
	if [ ! -d "$1/virt/kvm" ] || [ ! -f "$1/Makefile" ]; then die FETCH "$1 is no kernel tree"; fi
	found=$(sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' "$1/Makefile" | head -n 2 | paste -sd .)
	[ "$found" = "$RELEASE" ] || die FETCH "$1 is Linux $found; BASE=$BASE needs $RELEASE"
}

new_repo() {
	git_plain init -q --bare "$part/git"
	git_plain -C "$part/git" config user.name 'KVM guest_memfd flags'
	git_plain -C "$part/git" config user.email kvm-gmem-flags@example.org
	git_plain -C "$part/git" config gc.auto 0
	git_plain -C "$part/git" config core.looseCompression 1
	git_plain -C "$part/git" config core.abbrev 12
	git_plain -C "$part/git" config advice.detachedHead false
}

# import DIR MESSAGE [-f]: all of DIR as one commit. -f takes what the kernel's own
# .gitignore names too: right for a package, wrong for a tree that was built in.
import() {
	git_plain --git-dir="$part/git" --work-tree="$1" add --all "${@:3}" || return
	# at no particular time: the same package is the same commit everywhere
	GIT_AUTHOR_DATE='@0 +0000' GIT_COMMITTER_DATE='@0 +0000' \
		git_plain --git-dir="$part/git" --work-tree="$1" commit -q -m "$2"
}

fetch_package() {
	local deb
	pinned=${PACKAGE}_${VERSION}_all.deb
	deb=$cache/$pinned
	if [ -f "$deb" ]; then check_sum "$deb"; else download; fi
	step "fetch: unpacking $(basename "$deb")" "$log" unpack "$deb" "$part/src" ||
		die FETCH "cannot unpack $deb" "$log"
	check_release "$part/src"
	new_repo
	step "fetch: importing it into git" "$log" import "$part/src" "$(basename "$deb" _all.deb)" -f ||
		die FETCH "cannot import the base into git" "$log"
}

fetch_ksrc() {
	check_release "$KSRC"
	new_repo
	if [ -n "$(ksrc_head)" ]; then
		if [ -n "$(git -c safe.directory='*' -C "$KSRC" status --porcelain -uno)" ]; then
			note "NOTE: uncommitted changes in $KSRC are left out; the base is its HEAD"
		fi
		step "fetch: HEAD of $KSRC" "$log" \
			git_plain -C "$part/git" -c safe.directory='*' fetch -q --depth 1 "file://$KSRC" HEAD ||
			die FETCH "cannot fetch HEAD of $KSRC" "$log"
		git_plain -C "$part/git" update-ref HEAD FETCH_HEAD
	else
		note "NOTE: $KSRC is no git tree; it is copied once, later changes there are not seen"
		step "fetch: importing $KSRC into git" "$log" import "$KSRC" "$KSRC" ||
			die FETCH "cannot import $KSRC into git" "$log"
	fi
}

# Debian calls the architectures as the kernel does, as far as the bench has them.
# foreign_apt CMD...: private_apt for the packages of $kernel_arch.
foreign_apt() {
	private_apt -o APT::Architecture="$kernel_arch" -o APT::Architectures="$kernel_arch" \
		-o Dir::State::status=/dev/null "$@"
}

# fetch_busybox: the guest's programs for a foreign architecture, of this machine's
# own Debian release; signed by the archive, as everything that apt fetches.
fetch_busybox() {
	local deb apt=(foreign_apt)
	deb=$(find "$cache" -name "busybox-static_*_$kernel_arch.deb" | sort -V | tail -n 1)
	if [ -z "$deb" ]; then
		# shellcheck source=/dev/null
		read_suite "$(. /etc/os-release && echo "$VERSION_CODENAME")"
		step "fetch: busybox-static for $kernel_arch" "$log" foreign_apt download busybox-static ||
			die FETCH "cannot download busybox-static for $kernel_arch" "$log"
		deb=$(keep "$(find "$part/deb" -name '*.deb')")
	fi
	mkdir -p "$(dirname "$busybox")"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards '*/bin/busybox' >"$busybox.part" ||
		die FETCH "cannot unpack $deb; delete it and run this again"
	chmod +x "$busybox.part"
	mv "$busybox.part" "$busybox"
}

# start_part NAME: an empty folder for downloads; whatever was in it was interrupted.
start_part() {
	lock
	part=$1
	rm -rf "$part"
	mkdir -p "$part" "$cache"
	log=$base_dir/fetch.log
}

if [[ $busybox = "$top"/* && ! -x $busybox ]]; then
	start_part "$base_dir/busybox.part"
	fetch_busybox
	rm -rf "$part"
fi

made_from="$PACKAGE $VERSION"
if [ -n "$KSRC" ]; then made_from="$KSRC $(ksrc_head)"; fi
if [ -d "$repo" ]; then
	[ "$(cat "$repo/made-from")" = "$made_from" ] ||
		die FETCH "${base_dir#"$top"/} was made from $(cat "$repo/made-from"), bases/$BASE.env says $made_from; export edits with 'make refresh', then remove that folder"
	exit 0
fi
start_part "$base_dir/import.part"
if [ -n "$KSRC" ]; then fetch_ksrc; else fetch_package; fi
git_plain -C "$part/git" tag base HEAD
echo "$made_from" >"$part/git/made-from"
mv "$part/git" "$repo"
# tree makes this its first worktree, which spares a checkout of it all
if [ -d "$part/src" ]; then mv "$part/src" "$base_dir/src"; fi
rm -rf "$part"
