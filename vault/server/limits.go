package server

import "time"

// What is taken from outside, in bytes and pieces.
const (
	maxBody    = 8 << 20
	maxHeader  = 32 << 10
	maxDepth   = 32   // of nested JSON
	maxConns   = 4096 // at once, on each listener
	maxQuery   = 4096 // bytes of a query string
	maxRef     = 64   // bytes of a client's own request id
	maxSegment = 128  // bytes of an id or name in a path
	maxEvents  = 1000 // of the trail in one answer
)

// How long things may take.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 90 * time.Second
	idleTimeout       = 2 * time.Minute
)
