package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// settling is how long a request has to be on the screen before a key decides
// about it: what was typed before was not about it.
const settling = 700 * time.Millisecond

// watch is what ass approvals watch knows. Its fields belong to the goroutine of
// run.
type watch struct {
	cl      *client.Client
	in, out *os.File
	ctx     context.Context // of the requests to the daemon
	results chan result     // of the one that is under way

	items    []api.Approval // what waits, oldest first
	loaded   bool           // a list has come
	lost     bool           // the daemon does not answer
	selected string         // id
	busy     bool           // a decision is under way
	locked   bool           // the owner has an approval passphrase
	asking   *api.Approval  // what the passphrase is being typed for
	tries    int
	line     hiddenLine
	message  string // our words, and foreign text made safe
	decided  []string

	drawn view
	last  string // what is on the screen
}

// view is the request that is on the screen.
type view struct {
	id, digest string
	whole      bool // nothing of it is left out
	cols, rows int
	at         time.Time // since when
}

// result is how a decision ended.
type result struct {
	d      decision
	r      api.Approval
	answer *api.Approval
	err    error
}

// take takes a new list over, or a failure that may pass; another one ends it all.
func (w *watch) take(n news) error {
	if n.err != nil && !passes(n.err) {
		return n.err
	}
	if w.lost = n.err != nil; w.lost {
		return nil
	}
	at := w.at()
	w.items, w.loaded = slices.Clone(n.items), true
	slices.Reverse(w.items)
	w.choose(at)
	return nil
}

// at is the place of what is selected in the list, -1 for none.
func (w *watch) at() int { return slices.IndexFunc(w.items, hasID(w.selected)) }

// choose keeps the selection, or puts it where the one that has gone was.
func (w *watch) choose(at int) {
	if w.at() >= 0 {
		return
	}
	w.selected = ""
	if n := len(w.items); n > 0 {
		w.selected = w.items[max(0, min(at, n-1))].ID
	}
}

// current is the request to show, nil for none. While the passphrase is typed that
// is the one it is typed for, even if it has gone.
func (w *watch) current() *api.Approval {
	if w.asking != nil {
		return w.asking
	}
	if i := w.at(); i >= 0 {
		return &w.items[i]
	}
	return nil
}

// press takes a key and reports whether it quits.
func (w *watch) press(k keyPress) (quit bool) {
	if w.asking != nil {
		w.typed(k.key)
		return false
	}
	switch {
	case k.key == 'q' && !w.busy || k.key == ctrlC:
		return true
	case w.busy:
	case k.key == 'j' || k.key == keyDown:
		w.move(w.at() + 1)
	case k.key == 'k' || k.key == keyUp:
		w.move(w.at() - 1)
	case '1' <= k.key && k.key <= '9':
		w.move(int(k.key - '1'))
	case k.key == 'a' && w.may(k.at, true):
		w.approve(*w.current())
	case k.key == 'd' && w.may(k.at, false):
		w.decide(decision{verb: "Denied", do: w.cl.Deny}, *w.current(), nil)
	}
	return false
}

// approve sends the approval of r, after the passphrase has been typed for it
// where the owner has one.
func (w *watch) approve(r api.Approval) {
	if w.locked {
		w.message, w.tries, w.asking = "", 1, &r
		return
	}
	w.decide(decision{verb: "Approved", do: w.cl.Approve}, r, nil)
}

func (w *watch) move(to int) {
	if 0 <= to && to < len(w.items) {
		w.selected, w.message = w.items[to].ID, ""
	}
}

// may reports whether a key that came then decides about what is on the screen.
func (w *watch) may(at time.Time, whole bool) bool {
	r, v := w.current(), w.drawn
	cols, rows := w.size()
	switch {
	case r == nil || at.Before(v.at.Add(settling)):
		return false
	case w.lost:
		w.message = "The daemon does not answer; nothing was decided."
	case r.ID != v.id || r.Digest != v.digest || cols != v.cols || rows != v.rows:
		w.message = "This has just changed; look again."
	case whole && !v.whole:
		w.message = "Not approved, since not all of it is shown: ass approvals approve " + foreign(r.ID, maxName)
	default:
		return true
	}
	return false
}

// decide sends a decision about r as it was shown.
func (w *watch) decide(d decision, r api.Approval, passphrase *string) {
	w.busy, w.message = true, "…"
	go func() {
		answer, err := d.do(w.ctx, r.ID, api.ApprovalDecision{Digest: r.Digest, Passphrase: passphrase})
		w.results <- result{d, r, answer, err}
	}()
}

// settle says how a decision ended, or asks for the passphrase that it takes.
func (w *watch) settle(r result) {
	w.busy = false
	switch {
	case wantsPassphrase(r.err) && w.tries < passphraseTries:
		w.message = ""
		if w.tries > 0 {
			w.message = foreign(r.err.Error(), maxMessage)
		}
		w.tries++
		w.asking = &r.r
		return
	case r.err != nil:
		w.message = "Not done: " + foreign(r.err.Error(), maxMessage)
	default:
		sentence := r.d.sentence(r.r, r.answer)
		w.decided, w.message = append(w.decided, sentence), sentence
		w.replace(*r.answer)
	}
	w.tries = 0
}

// replace puts the answer in the place of a request, or takes that out of the list
// if it does not wait any more, before the daemon says so.
func (w *watch) replace(answer api.Approval) {
	i := slices.IndexFunc(w.items, hasID(answer.ID))
	if i < 0 {
		return
	}
	if answer.Status == api.ApprovalPending {
		w.items[i] = answer
		return
	}
	at := w.at()
	w.items = slices.Delete(slices.Clone(w.items), i, i+1)
	w.choose(at)
}

// typed takes a key of the passphrase. Keys belong to it until Enter, even if the
// request has gone meanwhile: they would decide about another one.
func (w *watch) typed(key rune) {
	if key == keyEscape {
		key = ctrlC
	}
	if key < 0 {
		return
	}
	done, err := w.line.key(key)
	if !done {
		return
	}
	r, text := *w.asking, string(w.line.text)
	w.line.wipe()
	w.asking = nil
	i := slices.IndexFunc(w.items, hasID(r.ID))
	switch {
	case err != nil || text == "":
		w.message, w.tries = "Not approved.", 0
	case w.lost || i < 0 || w.items[i].Digest != r.Digest:
		w.message, w.tries = "Not approved: the request has gone or changed.", 0
	default:
		w.decide(decision{verb: "Approved", do: w.cl.Approve}, r, &text)
		return
	}
	w.choose(0)
}
