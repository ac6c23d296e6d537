// Package webhook signs one message as Standard Webhooks 1.0 has it
// (https://www.standardwebhooks.com) and sends it, once.
//
// What it guarantees: a message goes to the receiver that was configured and to no
// other place: no redirect is followed and no proxy taken from the environment; plain
// HTTP goes to this machine alone. An attempt ends within [Timeout], and of an answer
// no more than a bound is read. A [URL] and a [Secret] print without what is secret
// in them, and no error holds a path or a query, which may hold a token.
//
// What it will not do: keep anything, try again, or know what a message says.
package webhook
