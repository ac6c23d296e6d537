// Package harden keeps other processes of the same user out of this one's
// memory, and its memory out of core files.
//
// The invariant: after [Process] has returned nil, this process leaves no core
// file, and on Linux and macOS no process without privileges can trace it or
// read its memory. It does not keep memory out of swap ([ClearSwap] says where that
// is in the clear), and it holds nothing against root.
package harden
