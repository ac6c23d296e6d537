// Package child runs a program as if nobody stood between it and who has started
// this one, and lets what it prints pass through a filter.
//
// The invariant: without a filter to apply, this process becomes the program, so
// that nothing is between at all. With one, the program is in our process group
// with our terminal, stdin and other descriptors; a signal that we get it gets
// too, once; when it stops we stop, when it ends we end, of the same signal; and
// it does not outlive us when we are killed (Linux). A stream that is a terminal
// is handed over as it is. Where stdout and stderr are the same file they stay in
// order.
//
// What it will not do, where there is a filter: wait for longer than [Grace] for
// processes that the program has left behind and that still hold its output. What
// they write later they write to a closed pipe.
//
// BUG(child): in the foreground of a terminal an interrupt, a quit, a stop and a
// new size are taken to come from the terminal, which tells the whole process
// group. One that another process sends to us alone goes no further: Go does not
// say who has sent a signal.
//
// BUG(child): for the same reason a signal that another process sends to the whole
// group, and not the terminal, reaches the program twice: from its sender and from
// us.
//
// BUG(child): a signal other than SIGHUP and SIGINT that was ignored when we were
// started is not ignored in the program: the Go runtime has it by then.
package child
