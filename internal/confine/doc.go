// Package confine keeps this process to the folders that it uses, with Landlock.
//
// The invariant: after [Process] has returned a level of [Full], no thread of this
// process, nor any process that it starts, opens, makes, changes or removes a file
// outside the folders given, executes a program but the one named, listens on another TCP port, sends
// a signal to a process from outside, or has a capability but to pass the modes of
// files; and nothing gives that back. On a system that cannot do all of it the rest
// holds, and what is lacking is said.
//
// It does not keep the process from connecting anywhere, from looking whether a
// file is there and whose it is, or from what it had opened before. Rules name
// folders and no files but that program, so that a file can be replaced by rename.
package confine
