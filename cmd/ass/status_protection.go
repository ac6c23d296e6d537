package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
)

// lockdown is the row of a vault that is locked down.
func (s *health) lockdown(a *app) []row {
	if s.Lockdown == nil || !s.Lockdown.Locked {
		return nil
	}
	return []row{{"LOCKDOWN", a.bad("✗") + " " + since(*s.Lockdown) + "; to end it: ass vault lift"}}
}

// protection is the rows of what guards the vault beside its keys.
func (s *health) protection(a *app) []row {
	p := s.Protection
	if p == nil {
		return nil
	}
	rows := append([]row{{"Approval passphrase", passphraseState(a, p)}}, processState(a, p)...)
	if text := fileState(a, p.Policy, p.PolicyProblem, plural(p.PolicyRules, "rule"), api.PolicyFile); text != "" {
		rows = append(rows, row{"Policy", text})
	}
	if text := fileState(a, p.Config, p.ConfigProblem, "", api.ConfigFile); text != "" && p.Config != api.FileInForce {
		rows = append(rows, row{"Configuration", text})
	}
	rows = append(rows, rotations(a, p)...)
	for _, o := range p.Recovered {
		rows = append(rows, row{"Recovered", a.bad("✗") + " owner " + foreign(o.Name, maxName) + " got a new key on the daemon's machine at " + moment(o.At) + " UTC; if nobody of you did that: ass vault lockdown"})
	}
	if p.Restored != nil {
		rows = append(rows, row{"Restored", a.bad("✗") + " " + restoredState(p.Restored)})
	}
	for _, w := range p.Webhooks {
		rows = append(rows, row{"Webhook", a.bad("✗") + " " + foreign(w.Name+" at "+w.Origin+": "+webhookState(w), maxMessage) + "; see: ass webhooks list"})
	}
	rows = append(rows, checkpointPlaces(a, p)...)
	rows = append(rows, backupState(a, p)...)
	pending := plural(p.Pending, "request")
	if p.Pending > 0 {
		pending += "; see them with: ass approvals list"
	}
	rows = append(rows, row{"Data file", dataFile(p)})
	if p.HeadProblem != "" {
		rows = append(rows, row{"Head file", a.bad("✗") + " an older copy of the data file would pass for the newest: " + foreign(p.HeadProblem, maxMessage)})
	}
	return append(rows, row{"Owners", fmt.Sprint(p.Owners)}, row{"Waiting for approval", pending})
}

// dataFile says how large the data file is, and how much of it compacting would give
// back, where that is much.
func dataFile(p *api.Protection) string {
	text := size(int64(p.FileBytes))
	if p.FreeBytes >= muchFree && p.FreeBytes > p.FileBytes/2 {
		text += ", of which " + size(int64(p.FreeBytes)) + " are free; to give them back: ass vault compact"
	}
	return text
}

// muchFree is from when on free bytes are worth a word.
const muchFree = 16 << 20

// restoredState says what a restore has put in the place of what.
func restoredState(r *api.Restored) string {
	text := fmt.Sprintf("at %s UTC, from a backup of %s", moment(r.At), plural(int(r.Events), "event"))
	switch r.Relation {
	case "newer", "older", "unknown":
		text += fmt.Sprintf(", in place of data of %s", plural(int(r.ReplacedEvents), "event"))
	case "fork":
		text += fmt.Sprintf(", in place of a fork of %s", plural(int(r.ReplacedEvents), "event"))
	}
	if r.RevocationsUnknown {
		text += "; who was revoked since the backup is not known, and has come back: ass audit --action vault.restore names them"
	}
	return text
}

// maxFailedShown is how many secrets that could not be rotated are shown.
const maxFailedShown = 5

// rotations is the rows of rotators that something is wrong with.
func rotations(a *app, p *api.Protection) (rows []row) {
	if p.RotationProblem != "" {
		rows = append(rows, row{"Rotation", a.bad("✗") + " " + foreign(p.RotationProblem, maxMessage)})
	}
	for i, f := range p.FailedRotations {
		if i == maxFailedShown {
			return append(rows, row{"Rotation", a.bad("✗") + fmt.Sprintf(" %d more have failed; see them with: ass status --json", len(p.FailedRotations)-i)})
		}
		rows = append(rows, row{"Rotation", a.bad("✗") + " " + foreign(f.Namespace+"/"+f.Key, maxMessage) + " failed at " + moment(f.At) + " UTC: " + foreign(f.Problem, maxMessage)})
	}
	return rows
}

// passphraseState says whether there is an approval passphrase, and without one
// what that leaves open.
func passphraseState(a *app, p *api.Protection) string {
	switch {
	case !p.PassphraseSet:
		return a.bad("✗") + " not set: a program that runs as you, or has the daemon's files, can read every secret; with the daemon stopped, on its machine: assd passphrase set"
	case !p.OwnPassphrase:
		return a.bad("✗") + " set, but you have none of your own; another owner makes you anew: ass agents create --owner"
	}
	return a.good("✓") + " set"
}

// fileState says how an operator's file stands, and what to do about it; "" when
// there is none.
func fileState(a *app, state, problem, holds, name string) string {
	switch state {
	case "", api.FileNone:
		return ""
	case api.FileHeld:
		return a.bad("✗") + " a changed " + name + " waits for you, and what was in force stays: ass policy accept --file " + name
	case api.FileProblem:
		return a.bad("✗") + " " + name + " cannot be used, and what was in force stays until it is put right: " + foreign(problem, maxMessage)
	}
	text := a.good("✓") + " in force"
	if holds != "" {
		text += ", " + holds
	}
	return text
}
