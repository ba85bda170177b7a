# SPDX-License-Identifier: GPL-2.0-only
#
# The plots of one bench: gnuplot -e "folder='results/...'" bench/plots.gp
# draws FOLDER/*.svg from the tables there. Lines: see the heads of costs.tsv and threads.tsv.

set terminal svg size 720,400 font "sans-serif,13" background "white"
set datafile separator "\t"
set key outside top center horizontal
set yrange [0:*]
set grid ytics

# rows of FILE for one OPERATION and MEMORY, and, where SIZE is given, that size
costs = folder."/costs.tsv"
# other series, if any, have a column each behind the eleven of every table
others = system(sprintf("head -n 1 %s | cut -f12-", costs))
columns = 11 + words(others)
rows(file, operation, memory) = sprintf("< awk -F'\\t' '$1 == \"%s\" && $2 == \"%s\"' %s", operation, memory, file)
at(operation, memory, size) = sprintf("< awk -F'\\t' '$1 == \"%s\" && $2 == \"%s\" && $3 == \"%s\"' %s", operation, memory, size, costs)

set output folder."/faults.svg"
set title "Instructions per page, 64 MiB (fallocate and punch hole: 4 MiB)"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
faults(memory, column) = sprintf("< for o in 'first write' 'first read' 'write refault' 'read refault' fallocate 'punch hole'; do awk -F'\\t' -v o=\"$o\" '$1 == o && $2 == \"%s\" && ($3 == \"64MiB\" || $3 == \"4MiB\") { print o \"\\t\" $%d; found = 1 } END { if (!found) print o \"\\t-\" }' %s; done", memory, column, costs)
# the operations' names from the series, which has all of them; not each base does
plot faults("guest_memfd", 4) using 2 title "guest\\_memfd, base", \
     faults("guest_memfd", 6) using 2:xtic(1) title "guest\\_memfd, series", \
     for [i = 12:columns] faults("guest_memfd", i) using 2 title "guest\\_memfd, ".word(others, i - 11), \
     faults("memfd", 6) using 2 title "memfd", \
     faults("anonymous", 6) using 2 title "anonymous"

set output folder."/sizes.svg"
set title "Instructions per page by size of the mapping, series"
set style data linespoints
set xtics rotate by 0
sizes(operation, memory) = rows(costs, operation, memory)
plot sizes("first write", "guest_memfd") using 6:xtic(3) title "first write, guest\\_memfd", \
     sizes("first write", "memfd") using 6 title "first write, memfd", \
     sizes("read refault", "guest_memfd") using 6 title "read refault, guest\\_memfd", \
     sizes("read refault", "memfd") using 6 title "read refault, memfd"

set output folder."/files.svg"
set title "Instructions to create and close a file, by files that are open at once"
set logscale x 4
set xtics autofreq
plot rows(costs, "files open at once", "guest_memfd") using 3:4 title "guest\\_memfd, base", \
     rows(costs, "files open at once", "guest_memfd") using 3:6 title "guest\\_memfd, series", \
     rows(costs, "files open at once", "memfd") using 3:6 title "memfd"

set output folder."/threads.svg"
set title "Nanoseconds for the work of one thread, by threads at once"
set xtics (1, 2, 4)
threads = folder."/threads.tsv"
plot rows(threads, "threads, create and close", "guest_memfd") using 3:4 title "create and close, guest\\_memfd", \
     rows(threads, "threads, create and close", "memfd") using 3:4 title "create and close, memfd", \
     rows(threads, "threads, first write", "guest_memfd") using 3:4 title "first write, guest\\_memfd", \
     rows(threads, "threads, first write", "memfd") using 3:4 title "first write, memfd"
