package api_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// The table of the contract, row by row.
func TestCodes(t *testing.T) {
	tests := []struct {
		code         api.Code
		status, exit int
	}{
		{"VALIDATION_ERROR", 400, 2}, {"UNAUTHORIZED", 401, 4}, {"SCOPE_DENIED", 403, 4},
		{"APPROVAL_REQUIRED", 403, 5}, {"STEP_UP_REQUIRED", 403, 4}, {"LOCKED_DOWN", 403, 4},
		{"SECRET_NOT_FOUND", 404, 3}, {"NOT_FOUND", 404, 3}, {"CONFLICT", 409, 1},
		{"PAYLOAD_TOO_LARGE", 413, 1}, {"RATE_LIMITED", 429, 7}, {"SEALED", 503, 6},
		{"STORAGE_FULL", 507, 1}, {"INTERNAL", 500, 1}, {"something newer", 500, 1},
	}
	for _, tt := range tests {
		if tt.code.Status() != tt.status || tt.code.ExitCode() != tt.exit {
			t.Errorf("%s: status %d, exit %d", tt.code, tt.code.Status(), tt.code.ExitCode())
		}
	}
}

func TestErrorsCompareByCode(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", api.New(api.CodeConflict, "taken").WithHint("try another"))
	if !errors.Is(err, &api.Error{Code: api.CodeConflict}) || errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
		t.Error("Is does not go by the code")
	}
	if api.CodeOf(err) != api.CodeConflict || api.CodeOf(errors.New("x")) != api.CodeInternal {
		t.Error("CodeOf")
	}
}
