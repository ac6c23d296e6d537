package policy

// Action is what a caller does to a secret. What a request needs:
//
//   - [Read]: the value, its history, listings.
//   - [Write]: a value, an import, a rollback, and a rotate that carries a
//     value. It never implies Delete.
//   - [Delete]: removing the secret.
//   - [Rotate]: having the vault make the next value.
type Action string

const (
	Read   Action = "read"
	Write  Action = "write"
	Delete Action = "delete"
	Rotate Action = "rotate"

	// ActionAny stands in a scope for all four; no request has it.
	ActionAny Action = "*"
)

// ParseAction reads read, write, delete, rotate or *. Errors wrap
// [ErrInvalid].
func ParseAction(s string) (Action, error) {
	if a := Action(s); a.valid() {
		return a, nil
	}
	return "", invalid("action must be read, write, delete, rotate or *")
}

// concrete reports whether a is one that a request can have.
func (a Action) concrete() bool {
	switch a {
	case Read, Write, Delete, Rotate:
		return true
	}
	return false
}

// covers reports whether a scope for a is good for o too.
func (a Action) covers(o Action) bool {
	return a == o && a.valid() || a == ActionAny && o.concrete()
}

func (a Action) valid() bool { return a == ActionAny || a.concrete() }

// Each returns what a stands for: all four of [ActionAny], otherwise a itself.
func (a Action) Each() []Action {
	if a == ActionAny {
		return []Action{Read, Write, Delete, Rotate}
	}
	return []Action{a}
}
