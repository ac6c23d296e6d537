package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// Bounds of one export. Everybody waits for the writer while it records the reads: on
// a machine of two cores 0.25 s for 10,000. What an agent may take is less: its events
// stay, and its answers lie in memory, escaped up to six times as long.
const (
	maxExported        = 10_000  // secrets, and places to look for those that are named
	maxExportedByAgent = 2_000   // secrets
	maxExportByAgent   = 8 << 20 // bytes of values and metadata
	maxExportSpace     = 64      // namespaces
)

// mostExported is how many secrets a caller may take at once, and how many bytes.
func (c *caller) mostExported() (secrets, size int) {
	if c.owner() {
		return maxExported, api.MaxExport
	}
	return maxExportedByAgent, maxExportByAgent
}

// exportDraft is an export that has been checked, before anyone is looked up.
type exportDraft struct {
	namespaces []policy.Namespace
	keys       []string        // sorted; nil: all
	places     [][]policy.Path // of the keys, for each namespace
	purpose    string
	claim      string // why an agent asks, in its own words
}

// draftExport checks each field of an export.
func draftExport(want api.ExportRequest) (*exportDraft, error) {
	d := &exportDraft{purpose: want.Purpose, claim: plainWords(want.Reason)}
	switch want.Purpose {
	case "":
		d.purpose = api.ForExport
	case api.ForExport, api.ForRun:
	default:
		return nil, invalid("purpose", "must be export or run")
	}
	if n := len(want.Namespaces); n == 0 || n > maxExportSpace {
		return nil, invalid("namespaces", fmt.Sprintf("name 1 to %d", maxExportSpace))
	}
	for _, text := range want.Namespaces {
		ns, err := policy.ParseNamespace(text)
		if err != nil {
			return nil, invalid("namespaces", err.Error())
		}
		if slices.Contains(d.namespaces, ns) {
			return nil, invalid("namespaces", "one stands there twice")
		}
		d.namespaces = append(d.namespaces, ns)
	}
	return d, d.name(want.Keys)
}

// name takes the keys that are asked for; nil is all.
func (d *exportDraft) name(keys []string) error {
	switch {
	case keys == nil:
		return nil
	case len(keys) == 0:
		return invalid("keys", "name at least one, or leave it out")
	case len(keys)*len(d.namespaces) > maxExported:
		return api.New(api.CodeTooLarge, fmt.Sprintf("keys: in all namespaces together, more than %d", maxExported))
	}
	d.keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	if len(d.keys) < len(keys) {
		return invalid("keys", "one stands there twice")
	}
	for _, ns := range d.namespaces {
		var places []policy.Path
		for _, key := range d.keys {
			p, err := policy.ParsePath(ns.String() + "/" + key)
			if err != nil || p.Namespace() != ns {
				return invalid("keys", "one is no key: it has to be like OPENAI_API_KEY, without its namespace")
			}
			places = append(places, p)
		}
		d.places = append(d.places, places)
	}
	return nil
}

// names lists the namespaces.
func (d *exportDraft) names(between string) string {
	var names []string
	for _, ns := range d.namespaces {
		names = append(names, ns.String())
	}
	return strings.Join(names, between)
}

// scope is what a token needs for any such export.
func (d *exportDraft) scope() string {
	return cut("secrets:read:" + d.names("/* secrets:read:") + "/*")
}
