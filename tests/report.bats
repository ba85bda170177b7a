#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The page that report writes, looked at by a real browser without a display.

load lib

setup() {
	results=$BATS_TEST_TMPDIR/results
	page=$results/report.html
	mkdir "$results"
	run_folder 20260101-000001-test pass 'v7.3\tflags\tx86_64\t\t\t'
	run_folder 20260101-000002-test one-failing 'v7.3\tnone\tarm64\t-debug\t\t'
}

# run_folder NAME GOLDEN SUBJECT: a run as a guest left it, judged.
run_folder() {
	cp -r "$top/tests/golden/$2" "$results/$1"
	# shellcheck disable=SC2059 # it has tabs
	printf "$3" >"$results/$1/subject"
	echo "make test # $2 <&>" >"$results/$1/repeat"
	"$top/scripts/judge.sh" "$results/$1" >/dev/null 2>&1 || [ $? -ne 2 ]
}

# in_browser WIDTH FILE JS-EXPRESSION: its value in the page at that width in pixels. A frame, because
# a window of the browser has a smallest width. file:// pages may look into each other for that.
in_browser() {
	cat >"$BATS_TEST_TMPDIR/frame.html" <<-HTML
		<iframe id=f src="file://$2" style="width:$1px;height:800px"></iframe>
		<script>onload = () => { const d = document.getElementById('f').contentDocument; document.body.textContent = 'value:' + ($3) + ':' }</script>
	HTML
	timeout 60 chromium --headless=new --no-sandbox --disable-gpu --allow-file-access-from-files \
		--user-data-dir="$BATS_TEST_TMPDIR/browser" --dump-dom "file://$BATS_TEST_TMPDIR/frame.html" 2>/dev/null |
		sed -n 's/.*value:\(.*\):.*/\1/p'
}

@test "report: a column for each kernel, a cell for each test, links to files that exist" {
	local link
	"$top/scripts/report.sh" "$results"
	grep -q '<th>v7.3 flags x86_64</th><th>v7.3 none arm64-debug</th>' <(tr -d '\n' <"$page")
	grep -q 'class=fail><a href="20260101-000002-test/results.ktap"' "$page"
	grep -o 'href="[^"]*"' "$page" | sed 's/href="\(.*\)"/\1/' >"$BATS_TEST_TMPDIR/links"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/links")" -ge 6 ]
	while read -r link; do [ -f "$results/$link" ] || fail "dead link: $link"; done <"$BATS_TEST_TMPDIR/links"
}

@test "report: what a test printed cannot become markup" {
	sed -i 's#^pass\tguest_memfd_test\t#fail\tguest_memfd_test\t<script>alert(1)</script> "x" \&#' "$results/20260101-000001-test/results.tsv"
	"$top/scripts/report.sh" "$results"
	refute grep -q '<script' "$page"
	grep -q 'title="&lt;script&gt;alert(1)&lt;/script&gt; &quot;x&quot; &amp;"' "$page"
	[ "$(in_browser 1200 "$page" 'd.querySelectorAll("td.fail a").length')" = 2 ]
}

@test "report: in a browser, on a phone: nothing wider than the screen, letters large enough" {
	local n
	# many columns, as after a year
	for n in 3 4 5 6 7 8; do run_folder "20260101-00000$n-test" pass "v$n\tflags\tx86_64\t\t\t"; done
	"$top/scripts/report.sh" "$results"
	[ "$(in_browser 360 "$page" 'd.documentElement.scrollWidth <= 360')" = true ]
	[ "$(in_browser 360 "$page" 'd.querySelector(".wide").scrollWidth > 360')" = true ]
	[ "$(in_browser 360 "$page" 'parseInt(getComputedStyle(d.querySelector("td a")).fontSize) >= 16')" = true ]
	[ "$(in_browser 1200 "$page" 'd.querySelectorAll("td.pass").length')" -ge 14 ]
	[ "$(in_browser 1200 "$page" 'd.scripts.length')" = 0 ]
}

@test "report: a newer run of one test replaces that cell only" {
	run_folder 20260101-000003-test one-failing 'v7.3\tflags\tx86_64\t\t\t'
	sed -i '/set_memory_region_test/d' "$results/20260101-000003-test/results.tsv"
	"$top/scripts/report.sh" "$results"
	grep -q 'class=fail><a href="20260101-000003-test/results.ktap"' "$page"
	grep -q 'class=pass><a href="20260101-000001-test/results.ktap"' "$page"
}

@test "report: a run that the kernel broke shows in the cells of all its tests" {
	run_folder 20260101-000003-test splat 'v7.3\tflags\tx86_64\t\t\t'
	[ ! -e "$results/20260101-000003-test/results.tsv" ]
	"$top/scripts/report.sh" "$results"
	[ "$(grep -o 'class=splat><a href="20260101-000003-test/results.ktap"' "$page" | wc -l)" -eq "$(wc -l <"$results/20260101-000003-test/required")" ]
}

@test "report: nor do the cases of such a test keep what they were, or tests that were not reached" {
	printf 'case-pass\tset_memory_region_test.one\t\n' >>"$results/20260101-000001-test/results.tsv"
	run_folder 20260101-000003-test pass 'v7.3\tflags\tx86_64\t\t\t'
	sed -i '/^# selftests: kvm: set_memory_region_test/q' "$results/20260101-000003-test/results.ktap"
	touch "$results/20260101-000003-test/hung"
	"$top/scripts/judge.sh" "$results/20260101-000003-test" >/dev/null 2>&1 || [ $? -eq 107 ]
	"$top/scripts/report.sh" "$results"
	[ "$(grep -o 'class=hang><a href="20260101-000003-test/' "$page" | wc -l)" -eq 2 ]
	grep -q '<th>one</th>.*class=hang' "$page"
	refute grep -q '<th>one</th>.*class=pass' "$page"
}

@test "report: a program that fails before its first case: the case does not stay what it was" {
	printf 'case-pass\tset_memory_region_test.one\t\n' >>"$results/20260101-000001-test/results.tsv"
	run_folder 20260101-000003-test pass 'v7.3\tflags\tx86_64\t\t\t'
	"$top/scripts/judge.sh" "$results/20260101-000003-test" >/dev/null
	sed -i '/set_memory_region_test/s/^pass.*/fail\tset_memory_region_test\texit=139/' "$results/20260101-000003-test/results.tsv"
	"$top/scripts/report.sh" "$results"
	grep -q '<th>one</th>.*class=fail><a href="20260101-000003-test/' "$page"
	refute grep -q '<th>one</th>.*class=pass' "$page"
}

@test "report: with other kernel parameters, no cell; nothing run, said so; no folder" {
	rm -r "$results"/2*
	run_folder 20260101-000001-test pass 'v7.3\tflags\tx86_64\t\tkvm_amd.npt=0\t'
	"$top/scripts/report.sh" "$results"
	grep -q 'No selftest has run yet' "$page"
	grep -q '20260101-000001-test' "$page"
	run "$top/scripts/report.sh" "$BATS_TEST_TMPDIR/no-such"
	expect 2 'there is no folder'
}
