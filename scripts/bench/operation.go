package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// value is what is stored: as long as a common API key.
var value = strings.Repeat("bench-value-", 4) + "0123456789abcdef"

const (
	namespace  = "bench"
	writeEvent = "secret.write"
)

// operation is one kind of request to measure.
type operation struct {
	name    string
	event   string // the audit action it leaves
	request func(client int) request
}

// request is an HTTP request without the connection.
type request struct {
	method, path, bearer string
	body                 []byte
}

// operations returns the three that are measured, after storing the secret
// that is read.
func (v *vault) operations(ctx context.Context) ([]operation, error) {
	end := newEndpoint(v.socket)
	hour := api.TTL(time.Hour)
	var token api.TokenResponse
	err := end.do(ctx, v.tokenRequest(api.TokenRequest{Scopes: []string{"secrets:*:*"}, TTL: &hour}), &token)
	if err != nil {
		return nil, fmt.Errorf("asking for a token: %w", err)
	}
	write := func(key string) request {
		return request{"PUT", "/v1/secrets/" + namespace + "/" + key, token.Token, encode(api.SecretWrite{Value: &value})}
	}
	read := request{"GET", "/v1/secrets/" + namespace + "/READ", token.Token, nil}
	if err := end.do(ctx, write("READ"), nil); err != nil {
		return nil, fmt.Errorf("storing a secret: %w", err)
	}
	var got api.Secret
	if err := end.do(ctx, read, &got); err != nil {
		return nil, fmt.Errorf("reading the secret: %w", err)
	}
	if got.Value != value {
		return nil, errors.New("another value came back than was stored")
	}
	issue := v.tokenRequest(api.TokenRequest{Scopes: []string{"secrets:read:" + namespace + "/READ"}})
	return []operation{
		{"read", "secret.read", func(int) request { return read }},
		{"write", writeEvent, func(client int) request { return write(fmt.Sprintf("WRITE_%d", client)) }},
		{"token", "token.create", func(int) request { return issue }},
	}, nil
}

func (v *vault) tokenRequest(body api.TokenRequest) request {
	return request{"POST", "/v1/tokens", v.ownerKey, encode(body)}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a wire type of ours
	}
	return b
}
