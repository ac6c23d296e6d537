//go:build !linux

package confine

func again() error { return nil }

func process(Config) (State, error) {
	return State{Lacks: "only Linux has Landlock"}, nil
}
