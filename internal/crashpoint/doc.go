// Package crashpoint lets a harness kill this process at places that have a name.
//
// Without the build tag "crashpoints", as in every binary that is given out, it does
// nothing. With it, ASSD_CRASH_AT=NAME:N kills the process by SIGKILL when it comes to
// NAME for the Nth time: as a machine that loses its power, as far as a process can.
package crashpoint
