package policy

import (
	"maps"
	"slices"
)

// StepUpRule says when an act of an owner needs the approval passphrase, once
// the vault has one. The zero value is always, so that what was forgotten is
// guarded.
type StepUpRule uint8

const (
	// StepUpAlways: each time.
	StepUpAlways StepUpRule = iota
	// StepUpByTier: where [Tier.NeedsStepUp] says so, and to lower a tier.
	StepUpByTier
	// StepUpNever: a person is not needed for it.
	StepUpNever
)

// Guard is what stands before an act besides the caller's rights.
type Guard struct {
	StepUp StepUpRule
	// InLockdown says that it goes on while the vault is locked down.
	InLockdown bool
}

// guards is the one table of acts, by the names of the server's routes.
// Whatever stops, narrows, or looks at anything but secrets goes on in a lockdown
// and asks for no passphrase; whatever opens does neither.
var guards = map[string]Guard{
	"health":            {StepUpNever, true},
	"jwks":              {StepUpNever, true},
	"openapi":           {StepUpNever, true},
	"certificate":       {StepUpNever, true},
	"me":                {StepUpNever, true},
	"claim":             {StepUpNever, true},
	"audit":             {StepUpNever, true},
	"audit.export":      {StepUpNever, true},
	"audit.checkpoint":  {StepUpNever, true},
	"audit.verify":      {StepUpNever, true},
	"audit.rotate_key":  {StepUpAlways, true},
	"audit.follow":      {StepUpNever, true},
	"audit.stats":       {StepUpNever, true},
	"token.list":        {StepUpNever, true},
	"token.revoke":      {StepUpNever, true},
	"agent.list":        {StepUpNever, true},
	"agent.revoke":      {StepUpNever, true},
	"owner.list":        {StepUpNever, true},
	"approval.list":     {StepUpNever, true},
	"approval.get":      {StepUpNever, true},
	"approval.deny":     {StepUpNever, true},
	"approval.revoke":   {StepUpNever, true},
	"policy.get":        {StepUpNever, true},
	"policy.check":      {StepUpNever, true},
	"vault.lockdown":    {StepUpNever, true},
	"vault.seal":        {StepUpNever, true},
	"vault.compact":     {StepUpNever, true},
	"vault.unseal":      {StepUpNever, true}, // by a passphrase or an opener of the vault itself
	"webhook.list":      {StepUpNever, true},
	"vault.doctor":      {StepUpNever, true},
	"webhook.test":      {StepUpNever, true},
	"vault.slot_list":   {StepUpNever, true},
	"secret.list":       {StepUpNever, false},
	"namespaces":        {StepUpNever, false},
	"owner.revoke":      {StepUpAlways, true},
	"vault.lift":        {StepUpAlways, true},
	"vault.slot_remove": {StepUpAlways, true},
	"vault.status":      {StepUpNever, true},
	"kek.rotate":        {StepUpAlways, true},
	"vault.backup":      {StepUpAlways, true},
	"vault.backup.get":  {StepUpAlways, true}, // by its GET, which brings no passphrase
	"agent.create":      {StepUpAlways, false},
	"owner.create":      {StepUpAlways, false},
	"approval.approve":  {StepUpAlways, false},
	"policy.accept":     {StepUpAlways, false},
	"vault.slot_add":    {StepUpAlways, false},
	"passphrase.set":    {StepUpAlways, false},
	"passphrase.try":    {StepUpNever, true}, // a wrong one, for the trail
	"token.issue":       {StepUpByTier, false},
	"secret.get":        {StepUpByTier, false},
	"secret.put":        {StepUpByTier, false},
	"secret.delete":     {StepUpByTier, false},
	"secret.rotate":     {StepUpByTier, false},
	"secret.import":     {StepUpByTier, false},
	"secret.history":    {StepUpNever, false},
	"secret.rollback":   {StepUpByTier, false},
	"secret.export":     {StepUpByTier, false},
}

// GuardOf returns the guard of an act, and whether there is such an act.
// Without one, the zero Guard is the strictest.
func GuardOf(act string) (Guard, bool) {
	g, ok := guards[act]
	return g, ok
}

// GuardedActs returns the names of all acts, sorted.
func GuardedActs() []string { return slices.Sorted(maps.Keys(guards)) }
