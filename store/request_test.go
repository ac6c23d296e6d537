package store

import (
	"context"
	"errors"
	"testing"
)

// TestRequestEndedBeforeItBegan: the writer may come upon it before its caller
// has noticed.
func TestRequestEndedBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := newRequest(ctx, nil, false)
	cancel()
	if r.begin() {
		t.Error("begun, although its context has ended")
	}
	if err := r.wait(nil); !errors.Is(err, context.Canceled) {
		t.Errorf("answered with %v", err)
	}
}

// TestPromotedWhileLeaving: whoever is handed the lead leads, even when its own
// context has ended: otherwise nobody would, and everyone would wait for ever.
func TestPromotedWhileLeaving(t *testing.T) {
	db, _ := openFaulty(t, nil)
	w := db.writer
	for range 50 { // select takes either way
		ctx, cancel := context.WithCancel(context.Background())
		r := newRequest(ctx, func(*Tx) error { return nil }, false)
		w.mu.Lock()
		w.led, w.queue = true, append(w.queue, r) // somebody leads
		w.mu.Unlock()
		cancel()
		w.handOn()
		if err := r.wait(w); !errors.Is(err, context.Canceled) {
			t.Fatalf("answered with %v", err)
		}
		w.mu.Lock()
		led := w.led
		w.mu.Unlock()
		if led {
			t.Fatal("the lead was lost")
		}
	}
}
