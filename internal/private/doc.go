// Package private holds what private test servers share: the user that they run as, and a
// port of their own.
package private
