#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# export: the series as a folder that is ready to mail: V=N of it, by the person in
# FROM, with that person's sign-off. Sends nothing. What was exported is kept in
# docs/exports/, so that the next version can show what changed since.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
V=${V:-}
FROM=${FROM:-}

# --- what is refused before anything is made --------------------------------------

[ "$SERIES" != none ] || die USAGE "SERIES=none is not for mailing"
[ -z "$EXTRA" ] || die USAGE "EXTRA patches are never exported; run export without EXTRA"
[[ $V =~ ^[1-9][0-9]{0,2}$ ]] || die USAGE "export takes V=N, the version to mail, from 1 on; V is '$V'"
person='^([^][:cntrl:][:space:]<>@"]([^][:cntrl:]<>@"]*[^][:cntrl:][:space:]<>@"])?) <([^][:space:]<>@",;:\\]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,})>$'
[[ $FROM =~ $person ]] ||
	die USAGE "export takes FROM=\"Name <name@domain>\", the person who mails and signs off; FROM is '$FROM'"
name=${BASH_REMATCH[1]} mail=${BASH_REMATCH[3]}
if [[ ${mail,,} =~ [@.](example\.(org|com|net)|example|invalid|test|localhost)$ ]]; then
	die USAGE "FROM='$FROM' is nobody's address; a sign-off is a real person's word"
fi

series_dir=series/$SERIES/$BASE
cover=$series_dir/cover-letter.txt
records=docs/exports/$SERIES-$BASE
record=$records/v$V.mbox previous=$records/v$((V - 1)).mbox
folder=build/export/$SERIES-$BASE/v$V
again="if it was never mailed: rm -r $folder $record, and export again; else take V=$((V + 1))"

mapfile -t patches < <(series_patches)
[ ${#patches[@]} -gt 0 ] || die USAGE "$series_dir has no patches"
[ -f "$cover" ] || die USAGE "$cover is missing: the cover letter, 'Subject: [PATCH 0/${#patches[@]}] ...' and a text"
subject_line='^Subject: \[((RFC )?PATCH( [0-9]+\.[0-9]+)?) 0/([0-9]+)\] (.+)$'
[[ $(head -n 1 "$cover") =~ $subject_line ]] ||
	die USAGE "the first line of $cover is not 'Subject: [PATCH 0/${#patches[@]}] ...'"
prefix=${BASH_REMATCH[1]} subject=${BASH_REMATCH[5]}
[ "${BASH_REMATCH[4]}" -eq ${#patches[@]} ] ||
	die USAGE "$cover says 0/${BASH_REMATCH[4]}, the series has ${#patches[@]} patches"
[ "$V" -eq 1 ] || [ -f "$previous" ] ||
	die USAGE "V=$V needs $previous to show what changed since; export V=$((V - 1)) first (of the commit that was mailed)"

# the_record: what is kept of an export: the cover letter's text and the patches, as
# they stand in series/, without the sender.
the_record() {
	printf 'From %040d Mon Sep 17 00:00:00 2001\n' 0
	cat "$cover" && echo && cat "${patches[@]}"
}
if [ -f "$record" ] && ! cmp -s <(the_record) "$record"; then
	die USAGE "v$V was exported already, of another series or cover letter ($record); $again"
fi

lock
# what is in the tree but not in series/ would stay behind
if [ -f "$tree_dir/applied" ] && [ -e "$tree/.git" ]; then
	read -r _ applied_head <"$tree_dir/applied"
	[ -z "$(git_plain -C "$tree" status --porcelain -uno)$(git_plain -C "$tree" ls-files --others)" ] ||
		die USAGE "$tree has uncommitted edits or untracked files ($({
			git_plain -C "$tree" status --porcelain -uno | cut -c4-
			git_plain -C "$tree" ls-files --others
		} | sed 3q | paste -sd ' ')); commit them and 'make refresh', or take them away"
	[ "$(git_plain -C "$tree" rev-parse HEAD)" = "$applied_head" ] ||
		die USAGE "$tree has commits that $series_dir lacks, or lacks some of its; run: make refresh"
fi
sub tree
read -r _ head <"$tree_dir/applied"

# --- making it ---------------------------------------------------------------------

part=$top/build/export/part
log=$part/log
scratch=$part/git
out=$part/mail
rm -rf "$part"
mkdir -p "$out" "$(dirname "$folder")"
git_plain clone -q --shared --no-checkout "$repo" "$scratch"
git_plain -C "$scratch" config core.abbrev 12

# by_sender CMD...: git in the scratch clone as the person in FROM.
by_sender() {
	GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$mail GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$mail \
		git_plain -C "$scratch" "$@"
}

# signed COMMIT: base..COMMIT again, by the sender and with the sign-off; prints the
# last commit. At the same dates, so that the same export is the same each time.
signed() {
	local commit last
	last=$(git_plain -C "$scratch" rev-parse base)
	for commit in $(git_plain -C "$scratch" rev-list --reverse "base..$1"); do
		GIT_AUTHOR_DATE=$(git_plain -C "$scratch" log -1 --format=%aI "$commit")
		GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
		export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
		last=$(git_plain -C "$scratch" log -1 --format=%B "$commit" |
			git_plain -C "$scratch" interpret-trailers --trailer "Signed-off-by: $FROM" |
			by_sender commit-tree "$commit^{tree}" -p "$last")
	done
	echo "$last"
}

# apply_previous: the patches of the last export on the base.
apply_previous() {
	sed '1,/^From 0\{40\} /{1d; /^From 0\{40\} /!d}' "$previous" >"$part/previous.mbox" &&
		sed -nE 's#^(---|\+\+\+) [ab]/#/#p' "$part/previous.mbox" | sort -u |
		git_plain -C "$scratch" sparse-checkout set --no-cone --stdin &&
		git_plain -C "$scratch" checkout -q --detach base &&
		GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$mail \
			git_plain -C "$scratch" am --committer-date-is-author-date "$part/previous.mbox"
}

# base_line: which kernel the series is for, where no commit can say it.
base_line() {
	local version
	version=$(git_plain -C "$repo" show base:Makefile | sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' | paste -sd .)
	echo "Base: Linux $version"
	if [ -z "$KSRC" ]; then echo "(Debian's $(git_plain -C "$repo" log -1 --format=%s base), which names no commit)"; fi
}

say "export: ${#patches[@]} patches of $SERIES, $BASE, as v$V"
if [ -f "$previous" ] && cmp -s <(the_record) "$previous"; then note "NOTE: nothing has changed since v$((V - 1))"; fi
options=(--no-base)
text=$(sed '1,/^$/d' "$cover")
if [ -n "$(ksrc_head)" ]; then options=(--base=base); else text+=$'\n\n'$(base_line); fi
# the first version has no number, as is the custom
if [ "$V" -gt 1 ]; then
	options+=(-v "$V")
	if apply_previous >"$log" 2>&1; then
		options+=(--range-diff="base..$(signed HEAD)")
	else
		note "NOTE: v$((V - 1)) does not apply to this base, so the cover letter has no range-diff"
		text+=$'\n\n'"No range-diff: v$((V - 1)) was for another base."
	fi
fi
by_sender update-ref refs/heads/mail "$(signed "$head")"
[ "$(git_plain -C "$scratch" log -1 --format='%an <%ae>' mail)" = "$FROM" ] ||
	die USAGE "FROM='$FROM': git would write '$(git_plain -C "$scratch" log -1 --format='%an <%ae>' mail)'; spell it so"
GIT_COMMITTER_DATE=$(git_plain -C "$scratch" log -1 --format=%aI mail)
export GIT_COMMITTER_DATE
by_sender -c branch.mail.description="$subject"$'\n\n'"$text" format-patch -q --zero-commit --no-signature \
	--cover-letter --cover-from-description=subject --subject-prefix="$prefix" "${options[@]}" -o "$out" base..mail

# who gets it, by the tree's own script and MAINTAINERS; the history that the script
# would fall back on is not here
addresses() {
	(cd "$tree" && scripts/get_maintainer.pl --no-git --no-git-fallback --no-fixes --no-rolestats "$@" "$out"/*.patch)
}
[ -f "$tree/scripts/get_maintainer.pl" ] || die HARNESS "$tree has no scripts/get_maintainer.pl, which says who gets the series"
mv "$out"/*0000-cover-letter.patch "$part" # names no file of the kernel
addresses --nol --nor >"$out/to"
addresses --nom | { grep -vxFf "$out/to" || [ $? -eq 1 ]; } >"$out/cc" # some are both
mv "$part"/*0000-cover-letter.patch "$out"
[ -s "$out/to" ] || die HARNESS "get_maintainer.pl found nobody for these patches"

if [ ! -d "$folder" ]; then
	mv "$out" "$folder"
elif ! diff -r "$out" "$folder" >/dev/null; then
	die USAGE "$folder exists and differs from what FROM and $series_dir give now; $again"
else
	note "$folder is there already, unchanged"
fi
if [ ! -f "$record" ]; then
	mkdir -p "$records"
	the_record >"$record.part"
	mv "$record.part" "$record"
	note "commit $record: V=$((V + 1)) will be compared with it"
fi
rm -rf "$part"

echo "$folder: a cover letter and ${#patches[@]} patches; nothing was sent. Read them, then:"
echo "  git send-email --dry-run --to=\"\$(paste -sd, $folder/to)\" --cc=\"\$(paste -sd, $folder/cc)\" $folder/*.patch"
echo "and once more without --dry-run."
