package certs

import "time"

// SetPoll changes how often files are looked at that no watch tells of.
func SetPoll(d time.Duration) (restore func()) {
	old := pollEvery
	pollEvery = d
	return func() { pollEvery = old }
}

// ParsePair reads what a certificate and a key file hold.
func ParsePair(cert, key []byte) error {
	if _, err := parseCertificates(cert, maxChain); err != nil {
		return err
	}
	_, err := parseKey(key)
	return err
}

// Bounds.
const (
	MaxFile  = maxFile
	MaxChain = maxChain
)
