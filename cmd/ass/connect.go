package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// systemFile is where root says which daemon this machine has; the linker
// replaces it for tests (-X main.systemFile=PATH).
var systemFile = client.SystemFile

// target is the daemon of one run, and as whom to talk to it.
type target struct {
	endpoint  client.Endpoint
	key       string         // "" when nobody is logged in
	verifyKey string         // kept at login for this daemon, or ""
	rc        *assrc.File    // ~/.assrc
	system    *client.System // nil without a system install
	own       bool           // rc names this endpoint
	given     trust          // what flags and environment say vouches for it
	trust     trust          // what vouches for it
	kept      trust          // what rc says about that
}

// connect makes the client of a command that needs a key.
func (a *app) connect() (*client.Client, error) {
	t, err := a.target()
	if err != nil {
		return nil, err
	}
	if t.key == "" {
		return nil, a.noKey()
	}
	return a.dial(t, t.key)
}

// withoutKey makes a client for what the daemon tells anybody, and says where it is.
func (a *app) withoutKey() (*target, *client.Client, error) {
	t, err := a.place()
	if err != nil {
		return nil, nil, err
	}
	c, err := a.dial(t, "")
	return t, c, err
}

func (a *app) noKey() error {
	return &fault{code: api.CodeUnauthorized, message: "nobody is logged in here", hint: a.loginCommand() + ", or set ASS_AGENT_KEY"}
}

// dial makes a client of t that uses key, which may be empty.
func (a *app) dial(t *target, key string) (*client.Client, error) {
	cfg := client.Config{URL: t.endpoint.String(), Key: key}
	if t.system != nil && t.endpoint.String() == t.system.URL() {
		cfg.DaemonUID = t.system.DaemonUID
	}
	t.trust.apply(&cfg)
	if a.Verbose {
		cfg.Trace = a.trace
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, a.settingFault(err)
	}
	return c, nil
}

// settingFault says what to do about a setting that no client can be made of.
func (a *app) settingFault(err error) error {
	if e, ok := errors.AsType[*client.FileError](err); ok {
		return a.trustFault(e)
	}
	switch {
	case errors.Is(err, client.ErrNotTLS):
		return usage(err.Error(), "leave out --ca-cert, --fingerprint, --client-cert and --client-key and their variables, or give --api-url https://host:port")
	case errors.Is(err, client.ErrClientPair):
		return usage(err.Error(), "--client-cert FILE --client-key FILE")
	}
	return usage(err.Error(), "look at the key that was given, or run: "+a.loginCommand())
}

func (a *app) trace(c client.Call) {
	a.debug(strings.Join([]string{
		c.Method, spoken(c.Path), "→", statusText(c.Status),
		"in", c.Took.Round(10 * time.Microsecond).String(), foreign(c.RequestID, maxName),
	}, " "))
}

// spoken is the path of a request as it may be printed. A piece that had to be escaped
// is no name that the daemon knows, nor is a key: what was typed there by mistake, a
// secret perhaps, is left out.
func spoken(path string) string {
	pieces := strings.SplitAfter(path, "/")
	for i, p := range pieces {
		if strings.Contains(strings.ReplaceAll(p, "%2F", ""), "%") || strings.Contains(p, "ask_") {
			pieces[i] = "…"
			if strings.HasSuffix(p, "/") {
				pieces[i] += "/"
			}
		}
	}
	return foreign(strings.Join(pieces, ""), maxMessage)
}

// target finds daemon and key: flag, then environment, then ~/.assrc, then the
// defaults.
func (a *app) target() (*target, error) {
	t, err := a.place()
	if err != nil {
		return nil, err
	}
	key, err := a.givenKey()
	if err != nil {
		return nil, err
	}
	if t.key = key; key != "" {
		return t, nil
	}
	kept := t.rc.Get(assrc.AgentKey)
	if kept == "" {
		return t, nil
	}
	if err := a.mayUseKept(t); err != nil {
		return nil, err
	}
	a.debug("the key is the one in ~/.assrc")
	t.key = kept
	return t, nil
}

// place finds the daemon alone.
func (a *app) place() (*target, error) {
	rc, err := loadRC()
	if err != nil {
		return nil, err
	}
	system, err := client.ReadSystem(systemFile)
	if err != nil {
		return nil, err
	}
	t := &target{rc: rc, system: system}
	url, err := a.givenURL()
	if err != nil {
		return nil, err
	}
	if url == "" {
		url = rc.Get(assrc.APIURL)
	}
	if url == "" {
		if url, err = defaultURL(system); err != nil {
			return nil, err
		}
	}
	if t.endpoint, err = client.ParseURL(url); err != nil {
		return nil, usage(err.Error(), "set it with --api-url or ASS_API_URL")
	}
	if err := a.vouch(t); err != nil {
		return nil, err
	}
	a.debug("the daemon is " + foreign(t.endpoint.String(), maxMessage))
	return t, nil
}

// vouch finds what vouches for t's endpoint: what is given, else what is kept,
// which counts for the one endpoint that ~/.assrc names.
func (a *app) vouch(t *target) (err error) {
	if t.given, err = a.givenTrust(); err != nil {
		return err
	}
	t.trust = t.given
	if t.own = t.isOwn(); !t.own {
		return nil
	}
	t.verifyKey = t.rc.Get(assrc.VerifyKey)
	if t.kept, err = keptTrust(t.rc); err != nil {
		return err
	}
	t.trust = t.given.or(t.kept)
	return nil
}

// isOwn reports whether ~/.assrc names t's endpoint: as the URL stored there,
// or, without one, because it is the default local socket.
func (t *target) isOwn() bool {
	beside := t.rc.Get(assrc.APIURL)
	if beside == "" {
		var err error
		if beside, err = defaultURL(t.system); err != nil {
			return false
		}
	}
	e, err := client.ParseURL(beside)
	return err == nil && e == t.endpoint
}

// mayUseKept refuses to send the key of ~/.assrc anywhere but to the daemon
// stored beside it, vouched for as stored beside it.
func (a *app) mayUseKept(t *target) error {
	if !t.own {
		return &fault{
			code:    client.CodeRefused,
			message: "the key in ~/.assrc belongs to another daemon and is not sent to " + t.endpoint.String(),
			hint:    "give this daemon's key in ASS_AGENT_KEY, or log in to it with: " + a.loginCommand(),
			exit:    api.ExitDenied,
		}
	}
	if c := a.conflict(t); c != nil {
		return &fault{code: client.CodeRefused, message: "the key in ~/.assrc " + c.how, hint: c.fix, exit: api.ExitDenied}
	}
	return nil
}

// loginCommand is the command that logs in to the daemon of this run: it repeats
// the flags that say which one is meant, but for a file that is not there: any argument
// may be a key in the wrong place. URL and fingerprint have been read by then.
func (a *app) loginCommand() string {
	command := "ass login"
	for _, f := range []struct {
		name   string
		value  *string
		isFile bool
	}{
		{"--api-url", a.APIURL, false}, {"--ca-cert", a.CACert, true}, {"--fingerprint", a.Fingerprint, false},
		{"--client-cert", a.ClientCert, true}, {"--client-key", a.ClientKey, true},
	} {
		switch {
		case f.value == nil:
		case f.isFile && !isThere(*f.value):
			command += " " + f.name + " FILE"
		default:
			command += " " + f.name + " " + shellWord(*f.value)
		}
	}
	return command
}

// givenKey is the key of flag or environment, "" when neither is there.
func (a *app) givenKey() (string, error) {
	if a.APIKey != nil {
		if strings.TrimSpace(*a.APIKey) == "" {
			return "", usage("--api-key is empty", "leave it out to use ASS_AGENT_KEY or ~/.assrc")
		}
		return strings.TrimSpace(*a.APIKey), nil
	}
	for _, name := range []string{"ASS_AGENT_KEY", "ASS_API_KEY"} {
		if key := strings.TrimSpace(os.Getenv(name)); key != "" {
			a.debug("the key is the one in " + name)
			return key, nil
		}
	}
	return "", nil
}

// givenURL is the URL of flag or environment, "" when neither is there.
func (a *app) givenURL() (string, error) {
	if a.APIURL == nil {
		return os.Getenv("ASS_API_URL"), nil
	}
	if *a.APIURL == "" {
		return "", usage("--api-url is empty", "leave it out to use ASS_API_URL or ~/.assrc")
	}
	return *a.APIURL, nil
}

// defaultURL is the daemon that this machine has: the one that root names,
// else the first local socket that exists.
func defaultURL(system *client.System) (string, error) {
	if system != nil {
		return system.URL(), nil
	}
	var tried []string
	for _, path := range defaultSockets() {
		fi, err := os.Lstat(path)
		if err == nil && fi.Mode().Type() == fs.ModeSocket {
			return client.SocketURL(path), nil
		}
		tried = append(tried, path)
	}
	return "", &fault{
		code:    client.CodeUnreachable,
		message: "no daemon is running here; tried " + strings.Join(tried, ", "),
		hint:    "start it with: assd",
		exit:    api.ExitUnreachable,
	}
}

// defaultSockets are the places where assd listens when nobody says otherwise.
func defaultSockets() []string {
	var paths []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "assd", "assd.sock"))
	}
	if dir := dataHome(); dir != "" {
		paths = append(paths, filepath.Join(dir, "assd", "assd.sock"))
	}
	return append(paths, "/run/assd/assd.sock")
}

func dataHome() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if dir, err := home(); err == nil {
		return filepath.Join(dir, ".local", "share")
	}
	return ""
}

// rcPath is where ~/.assrc lies.
func rcPath() (string, error) {
	dir, err := home()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, ".assrc"), nil
}

// loadRC reads ~/.assrc; without a home there is none.
func loadRC() (*assrc.File, error) {
	path, err := rcPath()
	if err != nil {
		return &assrc.File{}, nil
	}
	rc, err := assrc.Load(path)
	if errors.Is(err, assrc.ErrSyntax) {
		return nil, &fault{code: codeFailed, message: err.Error(), hint: "correct that line, or remove the file and run: ass login"}
	}
	return rc, err
}
