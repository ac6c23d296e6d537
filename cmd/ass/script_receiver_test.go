package main_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver is where webhooks go.
type receiver struct {
	addr, secret string
	srv          *http.Server // nil: nobody listens

	mu     sync.Mutex
	status int
	bodies []string
	faults []string
}

// receiverCmd is "receiver make NAME SECRETFILE", which sets $NAME_URL, of a place
// where nobody listens yet; "receiver up NAME [STATUS]", "receiver down NAME";
// "receiver got NAME REGEXP [COUNT]", which waits for a message with that in its body,
// or for so many, and checks that all were signed with the secret.
func receiverCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: receiver make|up|down|got name ...")
	}
	w := worldOf(ts)
	r := w.receivers[args[1]]
	switch args[0] {
	case "make":
		held, addr, err := holdAddress()
		ts.Check(err)
		ts.Defer(func() { syscall.Close(held) })
		w.receivers[args[1]] = &receiver{addr: addr, secret: strings.TrimSpace(ts.ReadFile(args[2]))}
		ts.Setenv(args[1]+"_URL", "http://"+addr)
	case "up":
		r.status = http.StatusNoContent
		if len(args) == 3 {
			var err error
			r.status, err = strconv.Atoi(args[2])
			ts.Check(err)
		}
		ts.Check(r.up())
	case "down":
		r.down()
	case "got":
		n := 1
		if len(args) == 4 {
			var err error
			n, err = strconv.Atoi(args[3])
			ts.Check(err)
		}
		ts.Check(r.got(args[2], n))
		fmt.Fprint(ts.Stdout(), strings.Join(r.bodies, "\n"))
	default:
		ts.Fatalf("receiver %s?", args[0])
	}
}

// holdAddress has an address where nobody listens, and which no other program is given
// while the socket is open: one that is bound with SO_REUSEADDR, as listeners are.
func holdAddress() (socket int, addr string, err error) {
	syscall.ForkLock.RLock()
	socket, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, "", err
	}
	err = errors.Join(
		syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	bound, unnamed := syscall.Getsockname(socket)
	if err = errors.Join(err, unnamed); err != nil {
		return 0, "", errors.Join(err, syscall.Close(socket))
	}
	return socket, fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port), nil
}

func (r *receiver) up() error {
	r.down()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		return err
	}
	r.srv = &http.Server{Handler: r}
	go r.srv.Serve(l) //nolint:errcheck // until it is closed
	return nil
}

func (r *receiver) down() {
	if r.srv != nil {
		r.srv.Close()
		r.srv = nil
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	wh, err := standard.NewWebhook(r.secret)
	if err == nil {
		err = wh.Verify(body, req.Header)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.faults = append(r.faults, err.Error())
	}
	r.bodies = append(r.bodies, string(body))
	w.WriteHeader(r.status)
}

// got waits for messages.
func (r *receiver) got(pattern string, n int) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		r.mu.Lock()
		found := 0
		for _, b := range r.bodies {
			if re.MatchString(b) {
				found++
			}
		}
		faults, all := r.faults, strings.Join(r.bodies, "\n")
		r.mu.Unlock()
		switch {
		case len(faults) > 0:
			return fmt.Errorf("not as the standard has it: %v", faults)
		case found >= n:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d messages match %s; all that came:\n%s", found, pattern, all)
		}
	}
}
