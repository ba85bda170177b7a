# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every verb shares: the knobs, the paths that follow from them, progress
# on stderr, one way to fail, one way to run something long, one lock.

set -euo pipefail
export LC_ALL=C
umask 022

# make's and git's own words to their children are not for ours.
unset MAKEFLAGS MFLAGS MAKELEVEL GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
verb=$(basename "$0" .sh)
cd "$top"

# --- failing -----------------------------------------------------------------

# Exit codes of the verdict classes; docs/testing.md explains them.
declare -A exit_codes=(
	[PASS]=0 [TEST]=1 [USAGE]=2
	[SETUP]=101 [FETCH]=102 [APPLY]=103 [BUILD]=104 [BOOT]=105 [PANIC]=106
	[HANG]=107 [SKIP]=108 [SPLAT]=109 [HARNESS]=110 [BUSY]=111
)

say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }

knob_names=(BASE KSRC ARCH PAGES SERIES EXTRA DEBUG CONFIG APPEND ICOUNT TESTS TIMEOUT PROG ARGS FILES DYNAMIC COMPILE MUTANTS V FROM PREFIX DESTDIR)

# repeat_line: the command that does the same again, with every knob that was set.
repeat_line() {
	local knob line="${GMEM_TEST_LIMIT:+GMEM_TEST_LIMIT=$GMEM_TEST_LIMIT }make ${GMEM_VERB:-$verb}"
	# a verb whose parts cannot be repeated alone says what can
	if [ -n "${GMEM_REPEAT:-}" ]; then
		echo "$GMEM_REPEAT"
		return
	fi
	for knob in "${knob_names[@]}"; do
		if [ -n "${GMEM_SET[$knob]:-}" ]; then line+=" $knob=$(printf %q "${GMEM_SET[$knob]}")"; fi
	done
	echo "$line"
}

# die CLASS MESSAGE [LOG]: the verdict line, the end of LOG, how to repeat it.
die() {
	local class=$1 message=$2 log=${3:-}
	explained=1
	if [ -n "$log" ] && [ -s "$log" ]; then
		tail -n 40 "$log" | sed 's/^/    | /' >&2
	fi
	printf 'verdict: FAIL %s: %s\n' "$class" "$message" >&2
	disk_full_hint "$log"
	if [ -n "$log" ]; then printf '  log:    %s\n' "${log#"$top"/}" >&2; fi
	if [ "$class" != USAGE ]; then printf '  repeat: %s\n' "$(repeat_line)" >&2; fi
	exit "${exit_codes[$class]}"
}

# disk_full_hint LOG: a full disk has many faces; name it where it is the cause.
disk_full_hint() {
	local free
	free=$(df -Pk "$top/build/." 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }') ||
		free=$(df -Pk "$top" | awk 'NR == 2 { print int($4 / 1024) }')
	if [ "$free" -lt 64 ] || grep -qs 'No space left on device' "${1:-/dev/null}"; then
		printf '  disk:   %s has %s MiB free; make room and run it again\n' "$top/build" "$free" >&2
	fi
}

# --- knobs -------------------------------------------------------------------

# As given by the caller, for repeat_line; defaults come after.
declare -A GMEM_SET=()
for knob in "${knob_names[@]}"; do
	GMEM_SET[$knob]=${!knob:-}
done
unset knob

BASE=${BASE:-v7.3}
ARCH=${ARCH:-x86_64}
PAGES=${PAGES:-4k}
SERIES=${SERIES:-flags}
KSRC=${KSRC:-}
EXTRA=${EXTRA:-}
DEBUG=${DEBUG:-}
CONFIG=${CONFIG:-}
APPEND=${APPEND:-}
ICOUNT=${ICOUNT:-}
JOBS=${JOBS:-$(nproc)}
# a kernel with sanitizers is several times slower
if [ -n "$DEBUG" ]; then TIMEOUT=${TIMEOUT:-1800}; fi
TIMEOUT=${TIMEOUT:-900}

# names PATTERN...: the last parts of the paths that exist, without ending.
names() {
	local path
	for path in "$@"; do
		if [ -e "$path" ]; then basename "$path" | sed 's/\.[a-z]*$//'; fi
	done | paste -sd ' '
}

# all_series: the series that there are for BASE, a line each, without the example,
# which is for the top of one.
all_series() { find series -mindepth 2 -maxdepth 2 -name "$BASE" -printf '%P\n' | cut -d/ -f1 | grep -vx example | sort; }

# takes_no KNOB...: those that this verb would ignore, and so do something else than asked.
# Only what the user gave: a verb that is a part of another one is not asked.
takes_no() {
	local knob
	if [ -n "${GMEM_VERB:-}" ]; then return; fi
	for knob; do
		[ -z "${!knob:-}" ] || die USAGE "$verb takes no $knob; it has '${!knob}'"
	done
}

# Bad knobs are answered here, before anything is touched.
check_knobs() {
	local patch fragment
	case $verb in
	exec) takes_no MUTANTS ;;
	fuzz | soak) takes_no PROG FILES MUTANTS ;;
	mutants) takes_no PROG FILES ARGS ;;
	*) takes_no PROG FILES ARGS MUTANTS ;;
	esac
	# the kernel's build takes no space or colon in a path, QEMU's options no comma
	[[ $top != *[[:space:]:,]* ]] || die USAGE "the path of this checkout has a space, colon or comma: $top; move it"
	[ -f "bases/$BASE.env" ] || die USAGE "unknown BASE '$BASE'; known: $(names bases/*.env)"
	[ -f "configs/$ARCH.env" ] || die USAGE "unknown ARCH '$ARCH'; known: $(names configs/*.env)"
	[ "$PAGES" = 4k ] || [ -f "configs/$ARCH-$PAGES.config" ] ||
		die USAGE "unknown PAGES '$PAGES' for $ARCH; known: 4k $(names "configs/$ARCH"-*.config | sed "s/$ARCH-//g")"
	case $DEBUG in '' | 1 | kcsan) ;; *) die USAGE "DEBUG='$DEBUG' is neither 1 (sanitizers) nor kcsan (data races) nor empty" ;; esac
	[ "$SERIES" != example ] ||
		die USAGE "series/example goes on top of a series: EXTRA=$(echo "series/example/$BASE/"0001-*.patch)"
	[ "$SERIES" = none ] || [ -d "series/$SERIES/$BASE" ] ||
		die USAGE "unknown SERIES '$SERIES' for $BASE; known: $(all_series | paste -sd ' ') none"
	[[ $JOBS =~ ^[1-9][0-9]*$ ]] || die USAGE "JOBS='$JOBS' is not a positive number"
	[[ $TIMEOUT =~ ^[1-9][0-9]*$ ]] || die USAGE "TIMEOUT='$TIMEOUT' is not a positive number of seconds"
	[[ -z $ICOUNT || $ICOUNT = 1 ]] || die USAGE "ICOUNT='$ICOUNT' is neither 1 nor empty"
	[[ -z ${COMPILE:-} || $COMPILE = 1 ]] || die USAGE "COMPILE='$COMPILE' is neither 1 nor empty"
	for patch in $EXTRA; do
		[ -f "$patch" ] || die USAGE "EXTRA names '$patch', which is no file"
		grep -q '^From: ' "$patch" || die USAGE "EXTRA names '$patch', which has no author; it takes what git format-patch writes"
	done
	for fragment in $CONFIG; do
		[ -f "$fragment" ] || die USAGE "CONFIG names '$fragment', which is no file; configs/variants has some"
	done
	[ -z "$KSRC" ] || [ -d "$KSRC" ] || die USAGE "KSRC='$KSRC' is no directory"
}

# own_config NAME: the verb's kernel has configs/variants/NAME.config, and the user no say.
own_config() {
	[ -z "$CONFIG" ] || die USAGE "$verb has a configuration of its own; run it without CONFIG"
	export CONFIG=configs/variants/$1.config
	GMEM_SET[CONFIG]=''
}

# ksrc_head: the commit that KSRC is at; nothing where it is no git tree. Whoever
# owns it: it is only read.
ksrc_head() {
	if [ -e "$KSRC/.git" ]; then git -c safe.directory='*' -C "$KSRC" rev-parse HEAD; fi
}

# set_paths: everything that the knobs decide, in one place.
# shellcheck disable=SC2034 # for the scripts that source this
set_paths() {
	local key=$BASE patch fragment
	# shellcheck source=../bases/v7.3.env
	. "bases/$BASE.env"
	# shellcheck source=../configs/x86_64.env
	. "configs/$ARCH.env"
	# shellcheck disable=SC2154 # of the base
	if [[ " ${booted_archs[*]} " != *" $ARCH "* ]]; then compile_only=1; fi
	case ${compile_only:-}$verb in
	1bisect | 1modules | 1tree | 1fetch) ;;
	1*) die USAGE "ARCH=$ARCH is only compiled, by 'make bisect COMPILE=1 BASE=$BASE ARCH=$ARCH'; it has no guest_memfd to test on $BASE" ;;
	esac
	case ${no_selftests:-}$verb in
	1test | 1compare | 1mutants) die USAGE "ARCH=$ARCH has no KVM selftests, which are 64-bit programs; it has run, exec, and bisect COMPILE=1" ;;
	esac

	if [ -n "$KSRC" ]; then
		KSRC=$(realpath "$KSRC")
		# another HEAD is another base
		key=$BASE-ksrc-$(printf %s "$KSRC$(ksrc_head)" | sha256sum | cut -c1-8)
	fi
	base_dir=$top/build/$key # the base: one git repository, tag "base"
	repo=$base_dir/git
	branch=$SERIES
	for patch in $EXTRA; do
		branch+=+$(basename "$patch" .patch)
	done
	# lint and bisect go from commit to commit in a tree that nobody edits
	if [ -n "${GMEM_WALK:-}" ]; then branch=walk; fi
	tree_dir=$base_dir/$branch # one worktree for each series (and EXTRA)
	tree=$tree_dir/linux
	# kernel build, kselftest install: a folder for each kind of kernel
	kind=$ARCH
	fragments=(configs/common.config "configs/$ARCH.config")
	# what one base has and the other lacks
	for fragment in "configs/$BASE.config" "configs/$BASE-$ARCH.config"; do
		if [ -e "$fragment" ]; then fragments+=("$fragment"); fi
	done
	if [ "$PAGES" != 4k ]; then
		kind+=-$PAGES
		fragments+=("configs/$ARCH-$PAGES.config")
	fi
	case $DEBUG in
	1) kind+=-debug fragments+=(configs/debug.config) ;;
	kcsan) kind+=-kcsan fragments+=(configs/kcsan.config) ;;
	esac
	for fragment in $CONFIG; do
		kind+=-$(basename "$fragment" .config)
		fragments+=("$fragment")
	done
	out=$tree_dir/$kind
	install=${GMEM_INSTALL:-$out/install} # compare brings another build's programs
	cache=${XDG_CACHE_HOME:-${HOME:-$top/build}/.cache}/kvm-gmem-flags
}

# series_patches: the patches of this SERIES and EXTRA, in order, a line each.
series_patches() {
	local patch
	if [ "$SERIES" != none ]; then
		find "$top/series/$SERIES/$BASE" -name '[0-9]*.patch' | sort
	fi
	for patch in $EXTRA; do realpath "$patch"; done
}

# walk_to COMMIT: the tree of lint and bisect, which only they use, at COMMIT.
walk_to() { git_plain -C "$base_dir/walk/linux" checkout -q --force -B walk "$1"; }

# hash_of FILE...: one short name for the content of all of them.
hash_of() { cat /dev/null "$@" | sha256sum | cut -c1-16; }

# git on the project's own repositories, deaf to the user's configuration,
# which could change what an export looks like. Without the lock (lock), which what git
# leaves in the background would keep.
git_plain() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git "$@" 9>&-
}

# export_series REPO RANGE DIR: the commits as patches, in the one form that does
# not depend on the day, the machine or the number of patches.
export_series() {
	git_plain -C "$1" format-patch -q --zero-commit --no-signature --no-numbered \
		--no-base --full-index --no-renames --diff-algorithm=myers -o "$3" "$2"
}

# known_failures: the file that explains what fails on the base, of this kind of kernel
# or else of the architecture.
known_failures() {
	local file
	for file in "expect/$BASE/$kind/failures" "expect/$BASE/$ARCH/failures" /dev/null; do
		if [ -e "$file" ]; then break; fi
	done
	echo "$file"
}

# required_tests: the file that names the tests, and cases, that must run: of this SERIES
# or else of the base.
required_tests() {
	local file=expect/$BASE/$ARCH/required
	if [ -e "$file.$SERIES" ]; then file+=.$SERIES; fi
	echo "$file"
}

# need_tests: TESTS names some, or some are required.
need_tests() {
	[ -n "${TESTS:-}" ] || [ -e "$(required_tests)" ] ||
		die USAGE "no selftest is required for BASE=$BASE ARCH=$ARCH, there is no $(required_tests); name some in TESTS"
}

# --- long work ---------------------------------------------------------------

children=()

# stop_children: whatever still runs goes down with us, whole process groups.
stop_children() {
	local pid
	for pid in "${children[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || continue
	done
	children=()
}

on_signal() {
	trap '' INT TERM HUP
	explained=1
	stop_children
	wait
	if [ -z "${GMEM_VERB:-}" ]; then
		printf '\ninterrupted; what was half done is redone next time: %s\n' "$(repeat_line)" >&2
	fi
	exit $((128 + $1))
}

# cleanup: what a verb must not leave behind, however it ends; it defines its own.
cleanup() { :; }

# on_exit: a command that nobody expected to fail ends a script without a word and
# with any code; give it both.
on_exit() {
	local rc=$?
	stop_children
	cleanup
	if [ "$rc" -ne 0 ] && [ -z "${explained:-}" ]; then
		die HARNESS "a step of '$verb' failed with $rc; the message above says which"
	fi
}

trap 'on_signal 1' HUP
trap 'on_signal 2' INT
trap 'on_signal 15' TERM
trap on_exit EXIT

# in_group CMD...: start CMD, a program or a function, in a process group of its
# own, so that it and all that it starts can be stopped at once.
in_group() {
	set -m
	"$@" &
	set +m
	children+=($!)
}

# step LABEL LOG CMD...: run CMD with its output in LOG and say every 15 s for
# how long it has run and what it did last. Returns CMD's exit code. Where a caller
# asks for that ("step ... ||"), "set -e" is off in CMD: a function returns by itself.
step() {
	local label=$1 log=$2 rc=0 pid beat start=$SECONDS
	shift 2
	say "$label"
	mkdir -p "$(dirname "$log")"
	in_group "$@" >"$log" 2>&1 </dev/null
	pid=${children[-1]}
	heartbeat "$pid" "$log" 9>&- & # nobody waits for it; without the lock
	beat=$!
	children+=("$beat")
	wait "$pid" || rc=$?
	stop_children # only the heartbeat is left
	note "$((SECONDS - start)) s"
	return "$rc"
}

# pause SECONDS: sleep without a child, which would outlive a killed heartbeat and
# hold the lock and the caller's pipes.
pause() { read -rt "$1" <> <(:) || return 0; }

heartbeat() {
	local pid=$1 log=$2 start=$SECONDS
	while pause 15 && kill -0 "$pid" 2>/dev/null; do
		note "$((SECONDS - start)) s: $(tail -n 1 "$log" | cut -c1-100)"
	done
}

# sub_rc VERB [ARG]: another verb as part of this one; returns its exit code. In the
# background, because a trap waits for what runs in the foreground.
sub_rc() {
	local rc=0
	GMEM_VERB=${GMEM_VERB-$verb} setpriv --pdeathsig TERM "$top/scripts/$1.sh" "${@:2}" &
	children+=($!)
	wait $! || rc=$?
	children=()
	return "$rc"
}

# sub VERB [ARG]: the same, and its failure is ours.
sub() {
	local rc=0
	sub_rc "$@" || rc=$?
	if [ "$rc" -ne 0 ]; then
		explained=1
		exit "$rc"
	fi
}

# lock: one verb at a time works in a checkout; the parts of a verb inherit it.
lock() {
	[ -z "${GMEM_LOCKED:-}" ] || return 0
	mkdir -p build
	exec 9<>build/.lock
	if ! flock -n 9; then
		die BUSY "'$(head -n 1 build/.lock)' works in this checkout; wait for it, or use a second checkout"
	fi
	printf 'make %s (pid %s)\n' "$verb" "$$" >build/.lock
	export GMEM_LOCKED=1
}

# --- kernel builds -------------------------------------------------------------

# use_ccache: one cache for all trees of all checkouts: absolute paths become relative.
# Sets cc and hostcc.
use_ccache() {
	hostcc=gcc cc=${cross}gcc
	if command -v ccache >/dev/null; then
		hostcc="ccache $hostcc" cc="$top/scripts/cached-cc.sh $cc"
		# the kernel's rules write .d files, which tell ccache what it would
		# otherwise run the preprocessor for, once more for each object
		export CCACHE_BASEDIR=$base_dir CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
	fi
}

# kmake TREE OUT TARGET...: the kernel's own make, out of tree.
kmake() {
	make -C "$1" O="$2" ARCH="$kernel_arch" CROSS_COMPILE="$cross" CC="$cc" HOSTCC="$hostcc" -j"$JOBS" "${@:3}"
}

# wanted: the lines of all fragments, without those that a later fragment overrides.
wanted() {
	awk '/^CONFIG_/ { option = $1; sub(/=.*/, "", option) } /^# CONFIG_.* is not set$/ { option = $2 }
		/^(# )?CONFIG_/ { line[option] = $0 }
		END { for (option in line) print line[option] }' "${fragments[@]}" | sort
}

# kconfig TREE: everything off, then what the bench's kernel has, on stdout.
kconfig() {
	local tiny=$1/arch/$selftest_arch/configs/tiny.config
	if [ ! -f "$tiny" ]; then tiny=; fi
	cat "$1/kernel/configs/tiny.config" ${tiny:+"$tiny"}
	wanted
}

# compiler_error LOG TREE: what the compiler said first; the rest often follows from it.
compiler_error() {
	grep -m 1 -E '(error|Error|ERROR|undefined reference)[: ]' "$1" |
		sed -E "s#^($2|(\.\./)*linux)/##; s#[^ ]*/\.\./\.\./\.\./##" | grep . || echo "make failed"
}

# --- runs --------------------------------------------------------------------

# check_qemu: there, not older than what was tried, and with its firmware.
check_qemu() {
	local version file folder found
	command -v "$qemu" >/dev/null || die SETUP "$qemu is missing; run: make setup"
	version=$("$qemu" --version | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p')
	printf '%s\n%s\n' "$qemu_min" "$version" | sort -V -C ||
		die SETUP "$qemu is version $version; at least $qemu_min is needed"
	for file in "${firmware[@]}"; do
		found=
		for folder in $("$qemu" -L help); do
			if [ -e "$folder/${file%:*}" ]; then found=1; fi
		done
		[ -n "$found" ] ||
			die SETUP "QEMU's firmware ${file%:*} is missing; install it anew: apt-get install --reinstall ${file#*:}"
	done
}

# subject: what a run is about: base, series, architecture, kind of kernel, and what
# makes it no word on these: other kernel parameters, another tree, edits, mutants, ...
subject() {
	local special="$APPEND $ICOUNT $KSRC "
	if [ "$install" != "$out/install" ]; then special+=$install; fi
	case ${GMEM_VERB:-$verb} in mutants | bisect) special+=" ${GMEM_VERB:-$verb}" ;; esac
	special+=$(git_plain -C "$tree" status --porcelain -uno | head -n 1)
	special+=$(git_plain -C "$tree" ls-files --others | head -n 1)
	if [ -z "${GMEM_WALK:-}" ] && [ "$(git_plain -C "$tree" rev-parse HEAD)" != "$(cut -d' ' -f2 "$tree_dir/applied")" ]; then special+=' commits'; fi
	printf '%s\t' "$BASE" "$branch" "$ARCH" "${kind#"$ARCH"}" "$(tr -s ' ' <<<"$special" | sed 's/^ //; s/ $//')"
}

# new_run: a fresh folder under results/ for one boot, in $run, with the nonce
# that only this run's guest can send back, and what it takes to repeat the run.
new_run() {
	local name
	check_qemu
	name=$(date +%Y%m%d-%H%M%S)-${GMEM_VERB:-$verb}-$BASE-$branch-$kind
	mkdir -p results
	until mkdir "results/$name" 2>/dev/null; do
		[ -d "results/$name" ] || die HARNESS "cannot make the folder results/$name"
		sleep 1
		name=$(date +%Y%m%d-%H%M%S)-${name#*-*-}
	done
	run=$top/results/$name
	# logs are kept; what boots can be built again, so only the last ten keep it
	find results -mindepth 1 -maxdepth 1 -type d | sort -r | tail -n +11 | while read -r old; do
		rm -f "$old/kernel" "$old/initrd"
	done
	ln -sfn "$name" results/latest
	mkdir -p "$run/job/work"
	cat /proc/sys/kernel/random/uuid >"$run/nonce"
	repeat_line >"$run/repeat"
	cp "$out/.config" "$run/config"
	{
		"${cross}gcc" --version | head -n 1
		"$qemu" --version | head -n 1
		git_plain -C "$tree" log -1 --format='tree: %H %s'
		git_plain -C "$tree" status --porcelain -uno
	} >"$run/versions"
	subject >"$run/subject"
}

# new_folder: for a verb of several runs, a folder beside theirs, in $folder.
new_folder() {
	folder=results/$(date +%Y%m%d-%H%M%S)-$verb-$BASE-$branch-$kind
	mkdir -p "$folder"
	GMEM_REPEAT=$(repeat_line)
	export GMEM_REPEAT
	echo "$GMEM_REPEAT" >"$folder/repeat"
	subject >"$folder/subject"
}

xml() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g' | tr -d '\000-\010\013\014\016-\037' | LC_ALL=C tr '\200-\377' '?'; }

# junit NAME RESULTS VERDICT: for CI systems, the results (a line each: result, test,
# why), if that file is there, and the verdict as a test of its own: it may fail where no
# test did, or be all that there is.
junit() {
	{
		if [ -f "$2" ]; then cat "$2"; fi
		sed -E 's/^verdict: (PASS|FAIL)(: | )(.*)/\L\1\tverdict\t\E\3/' "$3"
	} | xml | awk -F'\t' -v suite="$1" '
		$1 == "broken" { next }
		{
			n++; kind = $1; sub(/^case-/, "", kind)
			body = body "  <testcase classname=\"kvm\" name=\"" $2 "\">"
			if (kind == "skip") { skipped++; body = body "<skipped message=\"" $3 "\"/>" }
			else if (kind != "pass") { failed++; body = body "<failure message=\"" $3 "\"/>" }
			body = body "</testcase>\n"
		}
		END {
			print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
			printf "<testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" skipped=\"%d\">\n%s</testsuite>\n", suite, n, failed, skipped, body
		}'
}

# guest_program NAME ARGS WHAT: guest/NAME.c in the booted kernel, what it says as it
# comes, and the verdict by its exit code; WHAT is what a PASS means.
guest_program() {
	"${cross}gcc" -static -O2 -Wall -Wextra -Werror -isystem "$out/usr/include" -o "$out/$1" "guest/$1.c" ||
		die BUILD "$1 does not compile against the headers of $branch"
	new_run
	cp "$out/$1" "$run/job/work/"
	echo "cd work && exec ./$1 $2" >"$run/job/run"
	echo "$3 ($BASE, SERIES=$SERIES, $ARCH)" >"$run/what"
	FOLLOW=1 sub boot "$run"
	if grep -q '^done .* 2$' "$run/status"; then # gmem-*.c: wrong use
		die USAGE "ARGS='${ARGS:-}': $(tail -n 1 "$run/stderr")"
	fi
	sub judge "$run"
}

# --- packages ----------------------------------------------------------------

# packages WHAT: what a fresh Debian needs, by name; WHAT is run, test, check or lint,
# each with all of the one before: run and test for ARCH, check and lint for every
# architecture. Or bench: run's and gnuplot; or cover: test's and lcov. None of them
# conflicts with another.
packages() {
	local arch archs=$ARCH
	echo gcc libc6-dev make git bc bison flex libelf-dev cpio xz-utils rsync uuid-dev procps \
		ccache busybox-static debian-archive-keyring ca-certificates
	if [[ $1 = check || $1 = lint ]]; then
		archs=$(names configs/*.env)
		echo bats shellcheck shfmt codespell clang chromium
		echo g++ clang-tidy cppcheck musl-tools valgrind libc6-dbg mandoc pkgconf python3-jsonschema # the probe
	fi
	if [[ $1 = bench || $1 = lint ]]; then echo gnuplot-nox; fi
	if [[ $1 = cover || $1 = lint ]]; then echo lcov; fi
	if [ "$1" = lint ]; then echo sparse python3-sphinx python3-yaml python3-ply python3-git; fi
	for arch in $archs; do
		# shellcheck disable=SC2016 # another shell, whose variables are not ours
		bash -c '. "configs/$1.env"; echo "${run_packages[@]}"; [[ $2 = run || $2 = bench ]] || echo "${test_packages[@]}"' - "$arch" "$1"
	done
}

missing_packages() {
	local package
	for package in $(packages "$1"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done | paste -sd ' '
}

# install_line PACKAGES: what a person types.
install_line() {
	local as=
	if [ "$(id -u)" -ne 0 ]; then as='sudo '; fi
	echo "${as}apt-get update && ${as}apt-get install --no-remove --no-install-recommends $1"
}

# need WHAT: install what a verb needs and the machine lacks.
need() {
	if [ -n "$(missing_packages "$1")" ]; then sub setup "$1"; fi
}
