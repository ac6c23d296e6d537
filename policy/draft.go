package policy

import (
	"slices"
	"strings"
	"time"
)

// draft is a policy file while it is read: what was said, and where.
type draft struct {
	text                []byte
	defaultTTL, maxTTL  span
	sensitive, critical draftTerms
	anyoneLocksDown     bool
	rules               []*draftRule
}

// span is a duration of the file; nil in at: not said.
type span struct {
	d  time.Duration
	at *int
}

type draftTerms struct {
	approvals                   int
	requestTTL, grantTTL, delay span
}

type draftRule struct {
	Rule
	at        int  // of the header
	hasEffect bool // the zero Effect is one
}

// tables are those that a header may open, or an inline table fill.
var tables = []string{"tokens", "tiers", "tiers.sensitive", "tiers.critical", "lockdown"}

// settings is the one list of keys, each with what it does to the draft. An
// error goes on where the name of the key ends.
var settings = map[string]func(*draft, value) error{
	"tokens.default_ttl": func(d *draft, v value) error { return v.duration(&d.defaultTTL, time.Second, MaxTTL) },
	"tokens.max_ttl":     func(d *draft, v value) error { return v.duration(&d.maxTTL, time.Second, MaxTTL) },

	"tiers.sensitive.approvals":   func(d *draft, v value) error { return v.approvals(&d.sensitive) },
	"tiers.sensitive.request_ttl": func(d *draft, v value) error { return v.duration(&d.sensitive.requestTTL, time.Second, MaxWait) },
	"tiers.sensitive.grant_ttl":   func(d *draft, v value) error { return v.duration(&d.sensitive.grantTTL, time.Second, MaxWait) },
	"tiers.sensitive.delay":       func(d *draft, v value) error { return v.duration(&d.sensitive.delay, 0, MaxWait) },

	"tiers.critical.approvals":   func(d *draft, v value) error { return v.approvals(&d.critical) },
	"tiers.critical.request_ttl": func(d *draft, v value) error { return v.duration(&d.critical.requestTTL, time.Second, MaxWait) },
	"tiers.critical.grant_ttl":   func(d *draft, v value) error { return v.duration(&d.critical.grantTTL, time.Second, MaxWait) },
	"tiers.critical.delay":       func(d *draft, v value) error { return v.duration(&d.critical.delay, 0, MaxWait) },

	"lockdown.by": func(d *draft, v value) (err error) {
		d.anyoneLocksDown, err = v.anyone()
		return err
	},

	"rule.agents":   func(d *draft, v value) error { return d.rule().setAgents(v) },
	"rule.paths":    func(d *draft, v value) error { return d.rule().setPaths(v) },
	"rule.actions":  func(d *draft, v value) error { return d.rule().setActions(v) },
	"rule.networks": func(d *draft, v value) error { return d.rule().setNetworks(v) },
	"rule.effect":   func(d *draft, v value) error { return d.rule().setEffect(v) },
	"rule.reason":   func(d *draft, v value) error { return d.rule().setReason(v) },
}

// rule is the one whose keys are being read.
func (d *draft) rule() *draftRule { return d.rules[len(d.rules)-1] }

// set takes the value of one key; table is what the header above it opened.
func (d *draft) set(table, name string, at int, v value) error {
	if table != ruleTable && (name == ruleTable || strings.HasPrefix(name, ruleTable+".")) {
		return faultAt(at, "rules are written as [[rule]], each with its keys below it")
	}
	set, ok := settings[name]
	if !ok {
		return unknownKey(at, name)
	}
	if err := set(d, v); err != nil {
		f := err.(*fault)
		return faultAt(f.at, "%s %s", name[strings.LastIndexByte(name, '.')+1:], f.problem)
	}
	return nil
}

// unknownKey says which keys there are where this one stands.
func unknownKey(at int, name string) error {
	if slices.Contains(tables, name) {
		return faultAt(at, "%s is a table: write [%s]", name, name)
	}
	table := name[:strings.LastIndexByte(name, '.')+1]
	var known []string
	for key := range settings {
		if rest, ok := strings.CutPrefix(key, table); ok && table != "" && !strings.Contains(rest, ".") {
			known = append(known, rest)
		}
	}
	if len(known) == 0 {
		return unknownTable(at, name)
	}
	slices.Sort(known)
	return faultAt(at, "unknown key: [%s] has %s", strings.TrimSuffix(table, "."), strings.Join(known, ", "))
}

// unknownTable says which tables there are.
func unknownTable(at int, name string) error {
	switch {
	case name == ruleTable:
		return faultAt(at, "rules are written as [[rule]], each with its keys below it")
	case name == "tiers.standard" || strings.HasPrefix(name, "tiers.standard."):
		return faultAt(at, "the tier standard needs no approval: set tiers.sensitive and tiers.critical")
	}
	return faultAt(at, "unknown key or table: the file has [tokens], [tiers.sensitive], [tiers.critical], [lockdown] and [[rule]]")
}

// check refuses what is wrong between keys that are each right.
func (d *draft) check() error {
	longest := MaxTTL
	if d.maxTTL.at != nil {
		longest = d.maxTTL.d
	}
	if d.defaultTTL.at != nil && d.defaultTTL.d > longest {
		return faultAt(*d.defaultTTL.at, "default_ttl is longer than max_ttl")
	}
	for _, t := range []draftTerms{d.sensitive, d.critical} {
		if err := t.check(); err != nil {
			return err
		}
	}
	for _, r := range d.rules {
		if !r.hasEffect {
			return faultAt(r.at, "the rule has no effect: write effect = \"deny\", \"allow\" or \"approve\"")
		}
	}
	return nil
}

// check bounds how long an approval can count for anything.
func (t draftTerms) check() error {
	terms := t.terms().orDefault()
	if terms.Delay+terms.GrantTTL <= MaxWait {
		return nil
	}
	at := t.delay.at
	if at == nil {
		at = t.grantTTL.at
	}
	return faultAt(*at, "delay and grant_ttl are together longer than %s", hours(MaxWait))
}

func (t draftTerms) terms() Terms {
	return Terms{t.approvals, t.requestTTL.d, t.grantTTL.d, t.delay.d}
}

// policy is the draft without the places.
func (d *draft) policy() *Policy {
	p := &Policy{
		defaultTTL:      d.defaultTTL.d,
		maxTTL:          d.maxTTL.d,
		sensitive:       d.sensitive.terms(),
		critical:        d.critical.terms(),
		anyoneLocksDown: d.anyoneLocksDown,
	}
	for _, r := range d.rules {
		rule := r.Rule
		rule.line = (&fault{at: r.at}).fileError(d.text).Line
		rule.id = rule.fingerprint()
		p.rules = append(p.rules, &rule)
	}
	return p
}
