package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/agent-secret-store/assd/internal/runas"
)

// cli is the command line of assd.
type cli struct {
	Serve      serveCmd      `cmd:"" default:"withargs" help:"Serve the vault (what assd does without a command)."`
	Init       initCmd       `cmd:"" help:"Create a vault and its first owner, without a prompt."`
	Verify     verifyCmd     `cmd:"" help:"Check a vault's files offline, with none of its secret keys."`
	Passphrase passphraseCmd `cmd:"" help:"Set the approval passphrase of an owner, with the daemon stopped."`

	Restore restoreCmd `cmd:"" help:"Put a backup in the place of a vault's data, with the daemon stopped."`

	RecoverOwner recoverOwnerCmd `cmd:"" help:"Give an owner whose key is lost a new one, with the daemon stopped."`

	Version kong.VersionFlag `help:"Print version and exit."`
}

// Help is what assd --help says beside the commands.
func (cli) Help() string {
	return `Without a command assd serves; "assd serve --help" lists the flags for that.

Examples:
  assd &                                # serve your own user, on a local socket
  assd --listen :8443                   # and the network, over TLS
  assd init --data-dir /srv/vault       # make a vault, print its owner's key
  assd verify --data-dir /srv/vault     # check its files
  assd restore vault.backup             # go back to a backup
  assd passphrase set                   # what needs a person then needs a passphrase
  assd recover-owner                    # a new key for an owner who has lost it`
}

// dataFlags say where the vault is; every command has them.
type dataFlags struct {
	DataDir string `env:"ASSD_DATA_DIR" placeholder:"DIR" help:"Folder of the vault (default: ${data_dir})."`
	KeyFile string `env:"ASSD_KEY_FILE" placeholder:"FILE" help:"Key file of the vault, on another device for example (default: assd.key in $$CREDENTIALS_DIRECTORY if systemd gives one, else root.key in the data dir). The head file lies beside it, and with systemd's in the data dir."`
	Config  string `env:"ASSD_CONFIG" placeholder:"FILE" help:"TOML file with flags by their names (default: assd.toml in the data dir)."`

	SealCommand string `env:"ASSD_SEAL_COMMAND" placeholder:"COMMAND" help:"Program, by its absolute path, and arguments, whose output opens the vault's command slots. No shell reads it."`

	Typed typed `kong:"-"` // what stands on the command line itself

	memo   *memo       // what opened the vault already; nil: it is asked for each time
	asUser *runas.User // whom this process runs as by now
}

// output is where a command's answer goes, and the rest.
type output struct {
	stdout, stderr io.Writer
}

// exitError carries an exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exited ends kong's own exits (--help, --version) without leaving the process.
type exited int

// run parses the command line and runs the command.
func run(args []string, stdout, stderr io.Writer) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exited:
			if p != 0 {
				err = &exitError{int(p), errors.New("wrong usage")}
			}
		default:
			panic(p)
		}
	}()
	if len(args) == 2 && args[0] == helperCommand {
		return runHelper(args[1])
	}
	over, err := takeOver()
	if err != nil {
		return err
	}
	out := output{stdout, stderr}
	file, err := configOf(over, args)
	if err != nil {
		return err
	}
	var c cli
	ctx, err := parse(&c, args, out, kong.Resolvers(file))
	if err != nil {
		return &exitError{2, fmt.Errorf("%w (see %s)", worded(err), helpFor(err))}
	}
	set, err := file.settings()
	if err != nil {
		return &exitError{2, err}
	}
	return ctx.Run(out, set, file, over)
}

// configOf is the configuration of a start, or of an image that goes on.
func configOf(over *handed, args []string) (*fileConfig, error) {
	if over != nil {
		return over.config()
	}
	return configFile(args)
}

func parse(c *cli, args []string, out output, options ...kong.Option) (*kong.Context, error) {
	options = append(options,
		kong.Name("assd"),
		kong.Description("The daemon of Agent Secret Store: one vault, one file of data, a local socket, and TLS where it is asked for."),
		kong.Vars{"version": "assd/" + version, "data_dir": defaultDataDir(), "socket": defaultSocket("DATA_DIR")},
		kong.Writers(out.stdout, out.stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
	)
	parser, err := kong.New(c, options...)
	if err != nil {
		return nil, err
	}
	ctx, err := parser.Parse(args)
	if err == nil {
		c.typed(typedIn(ctx))
	}
	return ctx, err
}

// grammar is the command line's flags, for a configuration that is read later.
func grammar() (*kong.Application, error) {
	ctx, err := parse(new(cli), nil, output{io.Discard, io.Discard})
	if err != nil {
		return nil, err
	}
	return ctx.Model, nil
}

// helpFor is the help that lists what err is about: the command's, which is serve
// where there is none; all commands for a word that is none of them.
func helpFor(err error) string {
	command := "serve"
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context.Selected() != nil {
		command = strings.TrimPrefix(e.Context.Selected().FullPath(), "assd ")
	}
	if command == "serve" && strings.HasPrefix(err.Error(), "unexpected argument") {
		return "assd --help"
	}
	return "assd " + command + " --help"
}

// printable keeps what a doctored file holds from driving the terminal.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}

// report prints err as one line and returns the exit code.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "assd: %s\n", strings.Map(printable, err.Error()))
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return 1
}
