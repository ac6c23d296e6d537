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
