// Package keyring keeps a text in the operating system's keyring of this user: the
// Secret Service on the session bus (Linux), the Keychain (macOS), the Credential
// Manager (Windows).
//
// It answers within the time of its context whatever the keyring does, starts no bus,
// and keeps no connection to one: who is on a session bus can have programs started.
//
// BUG(keyring): the libraries hand the text through strings that cannot be cleared.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	keyrings "github.com/zalando/go-keyring"
)

// service is what the entries are filed under; the user of each is a vault's tenant.
const service = "assd"

// Timeout is how long a keyring may take, in which a person may have to unlock it.
const Timeout = 10 * time.Second

// ErrNone means that the keyring has no such entry.
var ErrNone = errors.New("the keyring of this user has no entry for this vault")

var errSlow = fmt.Errorf("the keyring did not answer within %s: unlock it, and try again", Timeout)

// Get is the text kept for tenant, to be cleared by the caller. It fails with [ErrNone].
func Get(ctx context.Context, tenant string) ([]byte, error) {
	text := make(chan string, 1) // what comes once nobody waits any more stays there
	err := ask(ctx, func() error {
		got, err := keyrings.Get(service, tenant)
		text <- got
		return err
	})
	if err != nil {
		return nil, err
	}
	return []byte(<-text), nil
}

// Set keeps text for tenant, in place of what was there.
func Set(ctx context.Context, tenant string, text []byte) error {
	kept := string(text)
	return ask(ctx, func() error { return keyrings.Set(service, tenant, kept) })
}

// Delete forgets what is kept for tenant.
func Delete(ctx context.Context, tenant string) error {
	return ask(ctx, func() error { return keyrings.Delete(service, tenant) })
}

// ask runs fn, for as long as ctx and Timeout let it.
func ask(ctx context.Context, fn func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errSlow)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- on(ctx, fn) }()
	select {
	case err := <-done:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return problem(err)
	case <-ctx.Done():
		return problem(context.Cause(ctx))
	}
}

// on runs fn while there is a bus for it. A bus that is closed under it, because time
// is over, makes the library panic where it waits for a person.
func on(ctx context.Context, fn func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the keyring broke off")
		}
	}()
	end, err := connect()
	if err != nil {
		return err
	}
	defer end()
	defer context.AfterFunc(ctx, end)()
	return fn()
}

func problem(err error) error {
	switch {
	case errors.Is(err, keyrings.ErrNotFound):
		return ErrNone
	case err == nil, errors.Is(err, errSlow), errors.Is(err, errNoBus), errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("the keyring of this user gives nothing, or is locked: %w", err)
}

// errNoBus means that there is no session bus, and so no keyring.
var errNoBus = errors.New("there is no keyring: no session bus of this user runs (DBUS_SESSION_BUS_ADDRESS), and a system service has none")
