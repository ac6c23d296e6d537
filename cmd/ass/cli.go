package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/agent-secret-store/assd/internal/harden"
)

// cli is the whole command line; grammar is what of it a run needs.
type cli struct {
	Globals globals `embed:""`

	Login      loginCmd      `cmd:"" help:"Log in, and claim a vault that nobody has claimed yet."`
	Logout     logoutCmd     `cmd:"" help:"Remove the saved key from ~/.assrc."`
	Whoami     whoamiCmd     `cmd:"" help:"Show whose key is used."`
	Status     statusCmd     `cmd:"" help:"Check the connection to the vault and its health."`
	Secrets    secretsCmd    `cmd:"" help:"Store, read, list and delete secrets."`
	Env        envCmd        `cmd:"" help:"Store .env files, and print secrets as one."`
	Run        runCmd        `cmd:"" help:"Run a command with secrets in its environment."`
	Agents     agentsCmd     `cmd:"" help:"Manage agents. Owners only."`
	Approvals  approvalsCmd  `cmd:"" help:"Decide about agents' requests. Owners only."`
	Tokens     tokensCmd     `cmd:"" help:"Manage scoped access tokens."`
	Audit      auditCmd      `cmd:"" help:"Query the audit trail. Owners only."`
	Policy     policyCmd     `cmd:"" help:"Check, show and accept who may do what. Owners only."`
	Webhooks   webhooksCmd   `cmd:"" help:"List and test the receivers of events. Owners only."`
	Vault      vaultCmd      `cmd:"" help:"Look after the daemon, and stop everything."`
	Doctor     doctorCmd     `cmd:"" help:"Show what protects this installation and what does not, with the command that improves it."`
	Passphrase passphraseCmd `cmd:"" help:"Change your approval passphrase. Owners only."`
}

// globals are the flags that every command takes, before or behind it.
type globals struct {
	APIKey         *string     `name:"api-key" placeholder:"KEY" help:"Override ASS_AGENT_KEY. Others see arguments in ps: prefer the environment."`
	APIURL         *string     `name:"api-url" placeholder:"URL" help:"Override ASS_API_URL: unix:///path/to.sock or https://host:port."`
	CACert         *string     `name:"ca-cert" placeholder:"FILE" help:"Override ASS_CA_CERT: PEM file of who may vouch for an https daemon, instead of this system's issuers."`
	Fingerprint    *string     `name:"fingerprint" placeholder:"FP" help:"Override ASS_FINGERPRINT: sha256:... of an https daemon's key, as assd prints it."`
	ClientCert     *string     `name:"client-cert" placeholder:"FILE" help:"Override ASS_CLIENT_CERT: PEM file of your certificate, for a daemon that asks for one."`
	ClientKey      *string     `name:"client-key" placeholder:"FILE" help:"Override ASS_CLIENT_KEY: PEM file of its key."`
	JSON           bool        `name:"json" help:"Print one JSON document; errors too, on stderr."`
	PassphraseFile *string     `name:"passphrase-file" placeholder:"FILE" help:"Override ASS_PASSPHRASE_FILE: file or pipe with your approval passphrase, for what needs it. Without it you are asked."`
	NoColor        bool        `name:"no-color" help:"Print without colour."`
	Quiet          bool        `name:"quiet" help:"Print the answer and nothing else."`
	Verbose        bool        `name:"verbose" help:"Say on stderr what is asked of the daemon."`
	Version        versionFlag `name:"version" help:"Print the version of ass and exit; of secrets get, with a number: which version of the secret."`
	Help           helpFlag    `name:"help" short:"h" help:"Print help for this command."`
}

// errShown ends a run that has printed what was asked for instead of a command.
var errShown = errors.New("shown")

type helpFlag bool

// BeforeReset prints the help of the command that was named so far.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return fmt.Errorf("printing help: %w", err)
	}
	return errShown
}

// Help closes the help of ass itself.
func (cli) Help() string {
	return `Start:

  assd &                                           the daemon
  ass login                                        claim the vault
  echo "sk-proj-..." | ass secrets set production/OPENAI_API_KEY
  ass secrets get production/OPENAI_API_KEY

The key and the daemon come from flags, then from the environment
(ASS_AGENT_KEY, ASS_API_URL), then from ~/.assrc, which ass login writes. So does
what vouches for a daemon on https (ASS_CA_CERT, ASS_FINGERPRINT). What needs the
approval passphrase asks for it on the terminal, or reads it from a file
(--passphrase-file, ASS_PASSPHRASE_FILE).

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 denied, 5 waits for
approval, 6 daemon unreachable or sealed, 7 rate-limited.`
}

// run is ass: it parses args, runs the command and returns the exit code.
func run(args []string) int {
	a := newApp()
	err := harden.Process(true) // a program that ass runs gets its limit back
	if err == nil {
		err = a.main(args)
	}
	if err == nil || errors.Is(err, errShown) {
		return 0
	}
	if e, ok := errors.AsType[*ended](err); ok {
		return e.finish()
	}
	if errors.Is(err, interrupted{}) {
		return errInterrupted.exit
	}
	return a.fail(err)
}

func (a *app) main(args []string) error {
	grammar, globals := grammarFor(args)
	parser, err := kong.New(grammar,
		kong.Name("ass"),
		kong.Description("The secure vault built for AI agents."),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.Exit(func(int) {}),
	)
	if err != nil {
		return fmt.Errorf("building the command line: %w", err)
	}
	a.JSON = asksJSON(args)
	ctx, err := parser.Parse(args)
	if errors.Is(err, errShown) {
		return errShown
	}
	if err != nil {
		return usageError(err)
	}
	a.globals = *globals
	a.setColor()
	return ctx.Run(a)
}

// asksJSON reports whether the command line, which may not parse, asks for
// errors in JSON.
func asksJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json")
}

// app is what commands work with.
type app struct {
	globals
	ctx   context.Context
	color bool
}

func newApp() *app { return &app{ctx: context.Background()} }

// home is the home directory; commands that need it fail with the fix named.
func home() (string, error) {
	dir, err := os.UserHomeDir()
	if err != nil || dir == "" {
		return "", &fault{code: codeFailed, message: "there is no home directory to keep ~/.assrc in", hint: "set HOME"}
	}
	return dir, nil
}
