//go:build !linux

package confine

func process(Config) (State, error) {
	return State{Lacks: "only Linux has Landlock"}, nil
}
