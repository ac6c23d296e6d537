package watch

import (
	"context"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
)

const (
	settle    = 300 * time.Millisecond // from a change in a folder to the look
	pollEvery = time.Minute
)

// Config says what is followed.
type Config struct {
	// Paths are the files, asked for anew before each look. "" is passed over.
	Paths func() []string
	// Look is called at the start, since there may have been a change before there
	// was a watch, and then whenever there may be one. asked: by Again. It holds up
	// the watch, and loses nothing by it.
	Look func(asked bool)
	// Again asks for a look at once; nil: nobody does.
	Again <-chan os.Signal
	Log   hclog.Logger // required
	// What the files are, in the plural, for log lines: "TLS files".
	What string
	// Ignore says of a file in a folder that is followed that no change of it
	// matters: one that is written all the time. nil: of none.
	Ignore func(path string) bool
	// Poll is how often they are looked at in any case; 0: once a minute.
	Poll time.Duration
}

// Run calls cfg.Look, one call at a time, until ctx ends.
func Run(ctx context.Context, cfg Config) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		cfg.Log.Warn("the "+cfg.What+" cannot be watched; they are looked at once a minute", "error", err)
		w = &fsnotify.Watcher{} // silent
	} else {
		defer w.Close()
	}
	poll := time.NewTicker(cfg.poll())
	defer poll.Stop()
	settled := time.After(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-cfg.Again:
			cfg.look(w, true)
			continue
		case e := <-w.Events:
			if cfg.Ignore != nil && cfg.Ignore(e.Name) {
				continue
			}
		case <-w.Errors: // it has missed something
		case <-poll.C:
			settled = time.After(0)
			continue
		case <-settled:
			settled = nil
			cfg.look(w, false)
			continue
		}
		// One look for all that changes together, and soon although it goes on.
		if settled == nil {
			settled = time.After(settle)
		}
	}
}

func (cfg Config) poll() time.Duration {
	if cfg.Poll == 0 {
		return pollEvery
	}
	return cfg.Poll
}

// look follows first: what changes after the look must be seen.
func (cfg Config) look(w *fsnotify.Watcher, asked bool) {
	cfg.follow(w)
	cfg.Look(asked)
}
