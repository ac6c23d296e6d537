package main

import "strings"

// nearest is the one of the known names that name was probably meant to be, or
// "". Case does not count, nor "_" for "-".
func nearest(name string, known []string) string {
	plain := strings.NewReplacer("_", "-")
	name = plain.Replace(strings.ToLower(name))
	best, least := "", len(name)/3+1 // so many changes make another word of it
	for _, k := range known {
		if d := distance(name, plain.Replace(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many bytes must be put in, taken out or changed to make b of
// a (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of a so far, to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
