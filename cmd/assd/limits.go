package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/agent-secret-store/assd/vault/server"
)

// limits is the table [limits] of the configuration file.
type limits struct {
	failedAuth int     // per minute and source; 0: no limit
	requests   float64 // per second and key; 0: no limit
}

// The most that a limit can be: what is beyond it is a typing error.
const (
	maxFailedAuth = 1_000_000
	maxRequests   = 1e6
)

// The limits' names in the table.
const (
	failedAuthName = "failed_auth_per_minute"
	requestsName   = "requests_per_second"
)

var limitNames = []string{failedAuthName, requestsName}

// readLimits reads the table strictly; nil is no table.
func readLimits(table any) (limits, error) {
	l := limits{failedAuth: server.DefaultFailedAuthPerMinute}
	if table == nil {
		return l, nil
	}
	values, ok := table.(map[string]any)
	if !ok {
		return l, errors.New("limits is a table: [limits]")
	}
	if err := setAll(values, l.set); err != nil {
		return l, err
	}
	return l, nil
}

func (l *limits) set(name string, value any) error {
	switch name {
	case failedAuthName:
		n, ok := value.(int64)
		if !ok || n < 0 || n > maxFailedAuth {
			return fmt.Errorf("%s in [limits] is a whole number from 0 (no limit) to %d", name, maxFailedAuth)
		}
		l.failedAuth = int(n)
	case requestsName:
		n, ok := number(value)
		if !ok || math.IsNaN(n) || n < 0 || n > maxRequests {
			return fmt.Errorf("%s in [limits] is a number from 0 (no limit) to %.0f", name, maxRequests)
		}
		l.requests = n
	default:
		hint := ""
		if near := nearest(name, limitNames); near != "" {
			hint = "; is it " + near + "?"
		}
		return fmt.Errorf("this version of assd knows no %q in [limits]%s", name, hint)
	}
	return nil
}

// number is what TOML writes as an integer or as a float.
func number(value any) (float64, bool) {
	if n, ok := value.(int64); ok {
		return float64(n), true
	}
	n, ok := value.(float64)
	return n, ok
}
