#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tree: the editable git worktree with the series on top of the tag "base".
# Edits are never lost: where the tree and series/ have both changed, it stops.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths

# 0.5 GB of register headers of one GPU that no build here reads; "git
# sparse-checkout disable" in the tree brings them.
left_out=/drivers/gpu/drm/amd/include/

mapfile -t patches < <(series_patches)
want=$(hash_of "${patches[@]}")

# touched: the files that the patches name, for a checkout of just those.
touched() { sed -nE 's#^(---|\+\+\+) [ab]/#/#p' "${patches[@]}" | sort -u; }

# explain_am LOG: which patch, and which hunk of it, git am refused.
explain_am() {
	local number where file line patch='a patch'
	number=$(sed -n 's/^Patch failed at \([0-9]*\) .*/\1/p' "$1" | head -n 1)
	if [ -n "$number" ]; then patch=${patches[10#$number - 1]#"$top"/}; fi
	if [ -f "$patch" ] && git_plain -C "$scratch" apply -R --check "$(realpath "$patch")" 2>/dev/null; then
		echo "$patch does not apply: $BASE${KSRC:+ of $KSRC} has it already"
		return
	fi
	where=$(sed -n 's/^error: patch failed: //p' "$1" | head -n 1)
	file=${where%:*} line=${where##*:}
	if [ -n "$where" ]; then
		echo "$patch does not apply: $file: hunk $(grep -m 1 "^@@ -${line}[, ]" "$patch")"
	else
		echo "$patch does not apply: $(grep -m 1 -E '^(error|fatal): ' "$1")"
	fi
}

# apply: the series on base as commits in $repo; sets $head. It works in a scratch
# clone that holds only the files touched, so the tree is left as it was when a
# patch does not apply, and only files that differ change when it does. Author
# dates as committer dates: the same series always gives the same commits.
apply() {
	local scratch=$tree_dir/apply.part log=$tree_dir/apply.log
	head=$(git_plain -C "$repo" rev-parse base)
	if [ ${#patches[@]} -eq 0 ]; then return; fi
	say "tree: applying ${#patches[@]} patches of $branch"
	rm -rf "$scratch"
	git_plain clone -q --shared --no-checkout "$repo" "$scratch"
	git_plain -C "$scratch" config core.abbrev 12
	touched | git_plain -C "$scratch" sparse-checkout set --no-cone --stdin
	git_plain -C "$scratch" checkout -q --detach base
	GIT_COMMITTER_NAME='KVM guest_memfd flags' GIT_COMMITTER_EMAIL=kvm-gmem-flags@example.org \
		git_plain -C "$scratch" am --committer-date-is-author-date "${patches[@]}" >"$log" 2>&1 ||
		die APPLY "$(explain_am "$log")" "$log"
	head=$(git_plain -C "$scratch" rev-parse HEAD)
	git_plain -C "$repo" fetch -q "$scratch" HEAD
	rm -rf "$scratch"
}

# new_tree: a worktree of $head. The first one takes the files that fetch has
# unpacked, and the index that it made of them, instead of writing them again.
# Chained, because "set -e" does not hold in what "||" follows.
new_tree() {
	local link=$tree
	if [ -d "$base_dir/src" ]; then
		link=$tree_dir/link.part
		mv "$base_dir/src" "$tree" && rm -rf "$tree$left_out" "$link" || return
	fi
	git_plain -C "$repo" worktree add -q --no-checkout -B "$branch" "$link" base || return
	if [ "$link" != "$tree" ]; then
		mv "$link/.git" "$tree/.git" && rmdir "$link" &&
			git_plain -C "$repo" worktree repair "$tree" &&
			cp "$repo/index" "$(git_plain -C "$tree" rev-parse --git-path index)" || return
	fi
	git_plain -C "$tree" sparse-checkout set --no-cone '/*' "!$left_out" &&
		git_plain -C "$tree" checkout -q -B "$branch" "$head"
}

# edits: what the tree holds that series/ does not, in words; nothing if nothing.
edits() {
	local commits files
	if [ -n "${GMEM_WALK:-}" ]; then return; fi # lint and bisect move that tree about
	commits=$(git_plain -C "$tree" rev-list --count HEAD "$branch" --not "$applied_head")
	files=$(git_plain -C "$tree" status --porcelain -uno | wc -l)
	if [ "$commits" -gt 0 ] || [ "$files" -gt 0 ] ||
		[ "$(git_plain -C "$tree" rev-parse HEAD)" != "$applied_head" ]; then
		echo "$commits commits and $files uncommitted files"
	fi
}

sub fetch

applied_want='' applied_head=''
if [ -f "$tree_dir/applied" ] && [ -e "$tree/.git" ]; then
	read -r applied_want applied_head <"$tree_dir/applied"
	if [ "$applied_want" = "$want" ]; then
		edits=$(edits)
		if [ -n "$edits" ]; then note "the tree has edits that series/ lacks: $edits"; fi
		exit 0
	fi
	edits=$(edits)
	[ -z "$edits" ] ||
		die APPLY "series/ has changed, and $tree has edits that it lacks ($edits): export them with 'make refresh' before series/ changes, or move them to a branch and 'git checkout $branch && git reset --hard $applied_head'"
fi

lock
mkdir -p "$tree_dir"
apply
if [ -n "$applied_want" ]; then
	git_plain -C "$tree" checkout -q -B "$branch" "$head" ||
		die APPLY "cannot move $tree to the changed series; git says why above"
else
	# never finished, so never anyone's: a checkout that was interrupted
	rm -rf "$tree"
	git_plain -C "$repo" worktree prune
	step "tree: checking out $branch" "$tree_dir/checkout.log" new_tree ||
		die APPLY "cannot check out $tree" "$tree_dir/checkout.log"
fi
echo "$want $head" >"$tree_dir/applied.part"
mv "$tree_dir/applied.part" "$tree_dir/applied"
