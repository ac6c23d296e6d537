package away

import (
	"context"
	"errors"
	"fmt"
	"log/syslog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// Syslog is a system log: that of this machine, or one that is reached by UDP, TCP or
// a Unix socket. Checkpoints are lines of facility auth.
//
// BUG: by UDP nobody says whether a line arrived, and by TCP nobody says that it was
// kept.
type Syslog struct {
	text     string
	networks []string // tried in this order; [""]: this machine's
	addr     string
	attempts attempts
}

const (
	syslogForms = `"local", "udp://HOST:514", "tcp://HOST:601" or "unix:///dev/log"`
	maxSyslog   = 512 // bytes of the text
)

// ParseSyslog reads "local", udp://HOST:PORT, tcp://HOST:PORT or unix:///PATH.
func ParseSyslog(text string) (*Syslog, error) {
	bad := errors.New("it is none of " + syslogForms)
	if text == "local" {
		return &Syslog{text: text, networks: []string{""}}, nil
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > maxSyslog || u.User != nil || u.Opaque != "" || strings.ContainsAny(text, "?# ") {
		return nil, bad
	}
	switch u.Scheme {
	case "udp", "tcp":
		if u.Path != "" || u.Hostname() == "" || !isPort(u.Port()) {
			return nil, bad
		}
		return &Syslog{text: text, networks: []string{u.Scheme}, addr: net.JoinHostPort(u.Hostname(), u.Port())}, nil
	case "unix":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return nil, bad
		}
		return &Syslog{text: text, networks: []string{"unixgram", "unix"}, addr: u.Path}, nil
	}
	return nil, bad
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// String is "syslog" and what was parsed.
func (s *Syslog) String() string { return "syslog " + s.text }

// Same reports whether other is the same log.
func (s *Syslog) Same(other Place) bool {
	o, ok := other.(*Syslog)
	return ok && o.text == s.text
}

// Close has nothing to do: no connection is kept.
func (s *Syslog) Close() {}

// Send writes c as a line.
func (s *Syslog) Send(ctx context.Context, c Checkpoint) error {
	return s.attempts.run(ctx, func() error {
		var failed error
		for _, network := range s.networks {
			w, err := syslog.Dial(network, s.addr, syslog.LOG_AUTH|syslog.LOG_NOTICE, "assd")
			if err != nil {
				failed = err
				continue
			}
			_, err = w.Write([]byte(c.line()))
			if err = errors.Join(err, w.Close()); err == nil {
				return nil
			}
			failed = err
		}
		return fmt.Errorf("the log takes nothing: %s", oneLine(failed))
	})
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
