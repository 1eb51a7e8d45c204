//go:build race

package explore

// raced: the race detector makes everything slow, and there is one goroutine.
const raced = true
