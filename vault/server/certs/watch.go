package certs

import (
	"context"
	"fmt"
	"os"

	"github.com/agent-secret-store/assd/internal/watch"
)

// Watch keeps the certificate in use as the files are, until ctx ends: it looks
// when something changes in a folder on the way to them, each minute, and at
// once when something comes from again.
func (k *Keeper) Watch(ctx context.Context, again <-chan os.Signal) {
	watch.Run(ctx, watch.Config{
		Paths: k.cfg.paths, Look: k.look, Again: again,
		Log: k.cfg.Log, What: "TLS files", Poll: pollEvery,
	})
}

// paths are those of all files; "" for one that there is not.
func (cfg Config) paths() []string {
	return []string{cfg.certFile().Path, cfg.keyFile().Path, cfg.ClientCAFile}
}

// look takes what the files hold and, whatever that is, warns when the end of
// what is shown comes near.
func (k *Keeper) look(asked bool) {
	k.reload(asked)
	k.age()
}

// reload takes what the files hold, if it is good. What is as before is not told
// again, unless somebody asked for the look.
func (k *Keeper) reload(asked bool) {
	s, err := k.cfg.load()
	if err == nil {
		err = k.better(s)
	}
	if err != nil {
		if asked || err.Error() != k.problem {
			k.problem = err.Error()
			k.cfg.Log.Error("the TLS files cannot be used; the certificate loaded before stays in use", "error", err)
		}
		return
	}
	same := s.id == k.current.Load().id
	if same && k.problem == "" && !asked {
		return
	}
	k.problem = ""
	k.current.Store(s)
	k.cfg.Log.Info("TLS certificate loaded", "fingerprint", s.fingerprint(), "changed", !same)
	k.warn()
}

// better refuses a pair that has expired in place of one that has not: clients
// would trust it less than what they are shown.
func (k *Keeper) better(s *state) error {
	now, leaf := k.cfg.now(), s.chain[0]
	if phaseOf(leaf, now) != over || phaseOf(k.current.Load().chain[0], now) == over {
		return nil
	}
	return fmt.Errorf("TLS certificate %q expired at %s: %s", k.cfg.certFile().Path, stamp(leaf.NotAfter), k.cfg.fix())
}
