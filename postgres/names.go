package postgres

// names is a small set of names of which something was found lately. It is emptied when
// it has grown large: it holds hints.
type names map[string]bool

const maxNames = 10_000

// set adds the name, or removes it.
func (n names) set(name string, found bool) {
	switch {
	case !found:
		delete(n, name)
	case len(n) >= maxNames:
		clear(n)
		fallthrough
	default:
		n[name] = true
	}
}
