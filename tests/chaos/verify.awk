# The second verifier: compares whole records as text, and shares nothing with the first. Lines of both files are
# partition TAB offset TAB key TAB value; the first file is the input, the second the output.
#
# lost        records that should have come and did not, as they were
# duplicated  further copies of records that came
# reordered   records that came for the first time after a later one of the same producer, key and input partition
# corrupted   records that are not as they were, or were never written
# stray       records that the filter should have stopped

BEGIN { FS = "\t" }

{ split($4, word, " "); id = word[1] " " word[2] }

NR == FNR {
    was[id] = $3 "\t" $4
    from[id] = $1
    if (word[4] == "keep") { keep[id] = 1; expected++ }
    next
}

!(id in was) || was[id] != $3 "\t" $4 { corrupted++; next }
!(id in keep) { stray++; next }
id in seen { duplicated++; next }

{
    seen[id] = 1
    arrived++
    lane = word[1] " " from[id] " " $3
    if (lane in last && word[2] + 0 < last[lane]) reordered++
    else last[lane] = word[2] + 0
}

END {
    printf "expected=%d lost=%d duplicated=%d reordered=%d corrupted=%d stray=%d\n",
        expected, expected - arrived, duplicated, reordered, corrupted, stray
}
