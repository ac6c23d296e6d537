// Package helper runs the operator's commands in a process beside the daemon, which
// is started before the daemon confines itself.
//
// The invariant: what runs is what the helper itself has read from the operator's
// file. The daemon names a text of it by its digest and a command by its place in
// there, and hands over standard input: never a program, never an argument. A command
// runs only if nobody but root and our own user can have written it or put it there;
// without a shell, with PATH, HOME and LANG and nothing else in its environment,
// descriptors 0 to 2, a process group of its own, and a bound on its time and on what
// it prints. When the daemon goes, whatever runs is killed.
//
// What it will not do: start a program from a folder that the file did not name when
// the helper was started, keep what a command prints, or start again once it is gone.
//
// BUG(helper): a process that leaves the group of its command outlives it.
//
// BUG(helper): who can write the operator's file says what runs. A daemon that was
// taken over can write one that lies in its data dir; one that root keeps elsewhere
// (--config) it cannot.
package helper
