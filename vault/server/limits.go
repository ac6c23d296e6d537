package server

import "time"

// What is taken from outside, in bytes and pieces.
const (
	maxBody       = 8 << 20
	maxImportBody = 32 << 20  // of an import's body
	smallBody     = 128 << 10 // what is no large body
	maxLarge      = 16        // bodies over smallBody at a time
	maxHuge       = 2         // bodies over maxBody at a time
	maxTokens     = 20_000    // brackets, names and values of a JSON body
	maxPerUID     = 1024      // connections of one user
	maxPerSource  = 512       // connections from one IPv4 address or IPv6 /64
	maxHeader     = 32 << 10
	maxDepth      = 32   // of nested JSON
	maxConns      = 4096 // at once, on each listener
	maxQuery      = 4096 // bytes of a query string
	maxRef        = 64   // bytes of a client's own request id
	maxSegment    = 128  // bytes of an id or name in a path
	maxEvents     = 1000 // of the trail in one answer
)

// What one HTTP/2 connection may have at once, in bytes and pieces.
const (
	maxStreams      = 64
	maxFrame        = 16 << 10
	maxStreamBuffer = 128 << 10 // received and not read yet
	maxConnBuffer   = 256 << 10
	maxHeaderTable  = 4 << 10
)

// How long things may take.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 90 * time.Second
	idleTimeout       = 2 * time.Minute
)
