package certs

import (
	"net"
	"time"
)

// SetPoll changes how often files are looked at that no watch tells of.
func SetPoll(d time.Duration) (restore func()) {
	old := pollEvery
	pollEvery = d
	return func() { pollEvery = old }
}

// SetAddresses gives this machine other addresses.
func SetAddresses(cidrs ...string) (restore func()) {
	old := interfaceAddrs
	interfaceAddrs = func() (addrs []net.Addr, err error) {
		for _, s := range cidrs {
			ip, n, err := net.ParseCIDR(s)
			if err != nil {
				return nil, err
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return addrs, nil
	}
	return func() { interfaceAddrs = old }
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
