// Package policy decides what a caller may do. It owns the grammar of paths,
// patterns, scopes, tiers and the policy file, the table of what each act
// needs besides rights ([GuardOf]), and one pure function, [Decide].
//
// The invariant: what is not explicitly allowed is denied. A zero value of any
// type here names nothing, matches nothing and allows nothing; the same inputs
// give the same answer; and every spelling of a path that a client can send
// gives either one [Path] or an error, so that policy, encryption, store and
// audit can never mean different secrets by one request.
//
// The rules of a policy file only take away: they deny or ask for approval, and
// one that allows merely ends the search. So no rule gives an agent what its
// key does not, and none binds an owner. [Parse] takes a file whole or refuses
// it with the place of the fault; what counts meanwhile is for others to say.
//
// The package does no I/O, keeps no state, reads no clock and never sees a
// value. Its errors say what is wrong and where, and do not repeat the text
// they refuse: someone may have put a secret in the wrong place.
package policy
