package server

import (
	"syscall"
	"time"
)

// What is taken from outside, in bytes and pieces.
const (
	maxBody       = 8 << 20
	maxImportBody = 32 << 20  // of an import's body
	smallBody     = 128 << 10 // what is no large body
	maxTokens     = 20_000    // brackets, names and values of a JSON body
	maxHeader     = 32 << 10
	maxDepth      = 32   // of nested JSON
	maxQuery      = 4096 // bytes of a query string
	maxRef        = 64   // bytes of a client's own request id
	maxSegment    = 128  // bytes of an id or name in a path
	maxEvents     = 1000 // of the trail in one answer
)

// How much of it at a time: of agents and again of owners, in all and of each.
const (
	maxLarge, maxLargeEach         = 16, 4 // bodies over smallBody
	maxHuge, maxHugeEach           = 2, 1  // bodies over maxBody
	maxImports, maxImportsEach     = 4, 1
	maxExports, maxExportsEach     = 4, 1
	maxFlight                      = 64       // requests of one bearer whose answers are not gone
	maxStrangers                   = 16       // the same, of one source without a key
	maxWaiting, maxWaitingEach     = 1024, 32 // answers that wait for news; one more comes at once
	maxWalks, maxWalksEach         = 4, 2     // walks over the whole trail
	walkRetry                      = 5        // seconds until one more may be tried
	maxFollowers, maxFollowersEach = 64, 8
)

// Connections at once.
const (
	maxLocal     = 4096 // on the socket
	maxRemote    = 1024 // over TLS
	maxPerUID    = 1024 // of one user
	maxPerSource = 128  // from one IPv4 address or IPv6 /64
	ownFiles     = 64   // files that the daemon itself may have open
)

// What one HTTP/2 connection may have at once, in bytes and pieces.
const (
	maxStreams      = 32
	maxFrame        = 16 << 10
	maxStreamBuffer = 128 << 10 // received and not read yet
	maxConnBuffer   = 256 << 10
	maxHeaderTable  = 4 << 10
)

// How long things may take.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 90 * time.Second // from the end of the head
	idleTimeout       = 2 * time.Minute
	maxWait           = time.Minute            // for news, as the client asks
	heartbeat         = 15 * time.Second       // of a stream that has nothing to tell
	minIdle           = time.Second            // before a connection may be closed to make room
	minIdleOwn        = 100 * time.Millisecond // the same, for one of the same source
	lookForRoom       = 100 * time.Millisecond
	restTimeout       = 5 * time.Second  // for the rest of a body that nobody wants
	answerTimeout     = 20 * time.Second // for a client to take an answer, and a second for each
	answerRate        = 32 << 10         // bytes
	parkTime          = 5 * time.Second  // for the listeners to be let go of, before who seals is answered
	lastPiece         = 2 * time.Second  // for a client to take the last of a stream that is cut when the daemon stops
)

// room is how many connections the socket and TLS may have: less where the
// process may open few files. Neither takes what the other needs, nor what the
// vault does.
func room() (local, remote int) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<20 {
		return maxLocal, maxRemote
	}
	files := max(int(limit.Cur)-ownFiles, 2)
	return min(maxLocal, files/2), min(maxRemote, files/4)
}
