package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/internal/mask"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// variable is one that the command is given.
type variable struct {
	name   string
	value  string
	secret bool
	path   policy.Path // of the secret
	from   string      // for people
}

// variables are in the order in which they are told of.
type variables []variable

// once is vs with each name once. A name that means two things is refused: nothing
// replaces anything unseen.
func (vs variables) once() (variables, error) {
	var out variables
	at := map[string]int{}
	for _, v := range vs {
		i, twice := at[v.name]
		if !twice {
			at[v.name] = len(out)
			out = append(out, v)
			continue
		}
		if !v.secret || !out[i].secret || v.path != out[i].path {
			return nil, usage(fmt.Sprintf("%s is in %s and in %s", v.name, out[i].from, v.from),
				"take it from one of them: leave out the other, or name what you want with --keys")
		}
	}
	return out, nil
}

// check refuses what is not to be a variable, unless it is among keys, and what
// cannot be one.
func (vs variables) check(keys []string) error {
	asked := make([]api.Secret, 0, len(vs))
	for _, v := range vs {
		asked = append(asked, api.Secret{SecretInfo: api.SecretInfo{Key: v.name}})
		if strings.ContainsRune(v.value, 0) {
			return &fault{code: codeFailed, message: v.name + " has a NUL byte in its value, and no environment can hold one", hint: "leave it out by naming the others with --keys"}
		}
	}
	return refuseNames(asked, keys, true)
}

// environment is base with the variables, without those of ass itself.
func (vs variables) environment(base []string) []string {
	given := map[string]bool{}
	for _, v := range vs {
		given[v.name] = true
	}
	out := make([]string, 0, len(base)+len(vs))
	for _, entry := range base {
		name, _, _ := strings.Cut(entry, "=")
		upper := strings.ToUpper(name)
		if !given[name] && !strings.HasPrefix(upper, "ASS_") && !strings.HasPrefix(upper, "ASSD_") {
			out = append(out, entry)
		}
	}
	for _, v := range vs {
		out = append(out, v.name+"="+v.value)
	}
	return out
}

func (vs variables) names() []string {
	var names []string
	for _, v := range vs {
		names = append(names, v.name)
	}
	return names
}

// values are those that can be masked. A literal line of an env file is no secret.
func (vs variables) values() []string {
	var values []string
	for _, v := range vs {
		if v.secret && !mask.TooShort(v.value) {
			values = append(values, v.value)
		}
	}
	return values
}

// short are the names of secrets that cannot be masked.
func (vs variables) short() []string {
	var names []string
	for _, v := range vs {
		if v.secret && v.value != "" && mask.TooShort(v.value) {
			names = append(names, v.name)
		}
	}
	return names
}

// longest is the name and length of the longest value.
func (vs variables) longest() (string, int) {
	if len(vs) == 0 {
		return "", 0
	}
	v := slices.MaxFunc(vs, func(a, b variable) int { return len(a.value) - len(b.value) })
	return v.name, len(v.value)
}
