#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# refresh: export the commits of the tree back into series/, one patch each, in
# the one form that makes an unchanged series export byte-identical. Stops where
# something would be lost or left out.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
lock

[ "$SERIES" != none ] || die USAGE "SERIES=none has no patches to export"
[ -z "$EXTRA" ] || die USAGE "EXTRA patches are never exported; run refresh without EXTRA"
[ -f "$tree_dir/applied" ] || die APPLY "there is no tree yet; run: make tree"
read -r applied_want _ <"$tree_dir/applied"
series_dir=series/$SERIES/$BASE

mapfile -t patches < <(series_patches)
[ "$(hash_of "${patches[@]}")" = "$applied_want" ] ||
	die APPLY "$series_dir has changed since the tree was made, and refresh would overwrite that; move the change aside, or 'make tree' if the tree has no edits"
# "git status" is silent about new files: Debian's .gitignore names every file
[ -z "$(git_plain -C "$tree" status --porcelain)$(git_plain -C "$tree" ls-files --others)" ] ||
	die APPLY "$tree has uncommitted or untracked files, which would not be exported; commit or stash them"
git_plain -C "$tree" merge-base --is-ancestor base HEAD ||
	die APPLY "HEAD of $tree does not descend from the tag base"
[ -z "$(git_plain -C "$tree" rev-list --merges base..HEAD)" ] ||
	die APPLY "$tree has merge commits after the tag base; a series is a line of commits"
[ "$(git_plain -C "$tree" rev-list --count base..HEAD)" -gt 0 ] ||
	die APPLY "$tree has no commits after the tag base; refresh would empty $series_dir"

part=$top/$series_dir/.refresh.part
rm -rf "$part"
mkdir "$part"
export_series "$tree" base..HEAD "$part"
changed=0
for name in $(printf '%s\n' "$part"/*.patch "${patches[@]}" | sed 's#.*/##' | sort -u); do
	if ! cmp -s "$part/$name" "$series_dir/$name"; then changed=$((changed + 1)); fi
	# gone from the tree, or under another name there
	if [ ! -f "$part/$name" ]; then rm "$series_dir/$name"; fi
done
mv "$part"/*.patch "$series_dir/"
rmdir "$part"
mapfile -t patches < <(series_patches)
echo "$(hash_of "${patches[@]}") $(git_plain -C "$tree" rev-parse HEAD)" >"$tree_dir/applied.part"
mv "$tree_dir/applied.part" "$tree_dir/applied"
say "refresh: ${#patches[@]} patches in $series_dir, $changed changed"
