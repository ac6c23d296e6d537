package certs

import "time"

// What is taken from files and flags.
const (
	maxFile  = 1 << 20 // bytes of a certificate, key or CA file
	maxChain = 16      // certificates in a pair's file
	maxCAs   = 1024    // certificates in a client CA file
	maxNames = 256     // names and addresses in a certificate
)

// Times.
const (
	lifetime  = 10 * 365 * 24 * time.Hour // of a certificate made
	backdated = 24 * time.Hour            // for clients whose clock is behind
	endsSoon  = 30 * 24 * time.Hour       // before its end a certificate is warned of, or a third of its life
)

// pollEvery is for what no watch sees: a folder replaced, a network file system.
var pollEvery = time.Minute
