// Package handover executes this very program anew, in the same process and with the same
// arguments, and hands over sockets to it, so that whoever connects meanwhile waits and is
// served. The memory of a process cannot be cleared in Go: the system does it, because
// nothing of it outlives an exec.
//
// The invariant: nothing is handed over but the sockets that are named, and what is told
// in one environment variable, which the new image takes out at once. What it takes from
// there it checks: that it comes from this very process, and that each descriptor is a
// socket. All are closed in other programs again from then on.
//
// What it will not do: run another program, or go on where it could not.
package handover
