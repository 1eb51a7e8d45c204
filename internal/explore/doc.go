// Package explore tries every order of events in a small world: two or three clients,
// one or two names, some ticks of time, and a bounded number of faults.
//
// It does not show that the protocol is right: it shows that no order of so many events
// breaks it. Steps of one statement are not interleaved with each other here: that a
// statement is one transition is what package drivertest shows of each store. States are
// told apart by a 64-bit hash; of a million states, one may be missed with a
// probability of some 10^-8.
//
// The rules are the product's own: the transitions of package machine, the trust of
// package keepalive, the judgement of package liveness. What is written here once more is
// who calls them, and when: the client's loops, with every pause, loss and delay between
// two calls. A client that does nothing for a while is a client that is paused; so every
// pause is among the orders tried.
//
// The clocks of clients run at different rates: the first loses 4 %, the second gains 4 %.
// The margin of 5 % at either side covers that.
package explore
