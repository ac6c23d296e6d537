package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// asAPI is err as it may cross the wire: one set of errors, mapped in one place.
func asAPI(err error) error {
	var known *api.Error
	var tampered *audit.TamperError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, store.ErrFull):
		return api.New(api.CodeStorageFull, "the disk is full: nothing was changed and nothing was released").
			WithHint("free some space on the daemon's disk and try again")
	case errors.Is(err, store.ErrBusy):
		return &api.Error{Code: api.CodeRateLimited, Message: "too many requests are waiting for the disk", RetryAfter: 1}
	case errors.As(err, &tampered):
		return api.New(api.CodeInternal, tampered.Error()).WithHint("stop the daemon and run: assd verify")
	case errors.Is(err, policy.ErrInvalid):
		return api.New(api.CodeValidation, err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return fmt.Errorf("vault: %w", err)
	}
}

func invalid(field, problem string) error {
	return api.New(api.CodeValidation, field+": "+problem)
}
