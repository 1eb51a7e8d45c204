// Package private holds what private test servers share: the user that they run as, a
// port of their own, a directory that is gone without a trace afterwards, and how they are
// started, signalled and ended.
package private
