// Package measure takes the measures, one file for each family of them. The sides of a
// comparison take turns within one run, in short rounds; see Result.
package measure
