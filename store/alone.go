package store

import "context"

// alone runs fn as the writer, outside of any transaction: nobody commits meanwhile. It
// returns what fn returned, or ctx.Err() when ctx ended before fn was begun.
func (w *writer) alone(ctx context.Context, fn func() error) error {
	r := newRequest(ctx, nil, false)
	r.alone = fn
	return w.submit(r)
}

func (r *request) isAlone() bool { return r.alone != nil }

// serveAlone runs a request that is not an operation.
func (w *writer) serveAlone(r *request) {
	if !r.begin() {
		return
	}
	err := w.failed()
	if err == nil {
		err = safely(r.alone)
	}
	r.answer <- err
}

// watch has c told from now on what each commit changes: also the one that is being
// made, if no snapshot shows it yet. Nil ends that.
func (w *writer) watch(c *changes) { w.watcher.Store(c) }
