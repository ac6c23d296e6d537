// Package testenv says what a test may expect of the machine it runs on.
//
// The invariant: where CI is set in the environment every test runs. One that
// has to be skipped elsewhere, because it is not run as root or the system lacks
// something, fails there instead of passing unseen. It is for tests alone.
package testenv
