package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/runas"
	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/server"
)

// drainTime is how long requests under way may take to finish at a stop.
const drainTime = 10 * time.Second

type serveCmd struct {
	dataFlags   `embed:""`
	sealFlags   `embed:""`
	Socket      string `env:"ASSD_SOCKET" placeholder:"PATH" help:"Unix socket to serve on (default: ${socket})."`
	SocketGroup string `env:"ASSD_SOCKET_GROUP" placeholder:"GROUP" help:"Serve a whole group of users, as a system service: socket 0660, its folder 0750. Without it, only your own user, or with --user that user's group."`
	User        string `env:"ASSD_USER" placeholder:"NAME" help:"Started by root, run as this user once all addresses are taken; the data dir is that user's."`
	Policy      string `env:"ASSD_POLICY" placeholder:"FILE" help:"TOML file with the rules that bind agents (default: policy.toml in the data dir). Read again when it changes, or on SIGHUP."`
	tlsFlags    `embed:""`
	LogLevel    string `env:"ASSD_LOG_LEVEL" enum:"trace,debug,info,warn,error" default:"info" help:"trace, debug, info, warn or error."`
	LogFormat   string `env:"ASSD_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json; the log goes to standard error. What keeps assd from starting, or ends it, is one plain line there in either."`

	as *runas.User // whom User names; nil: whoever started assd
}

func (serveCmd) Help() string {
	return fmt.Sprintf(`Serves the vault until SIGTERM or SIGINT, then finishes what is under way.
Without a vault in the data dir it creates one, unclaimed: the first "ass login"
of the same user claims it. --seal says what opens it.

With --listen it is served over TLS 1.3 too. Without --tls-cert the certificate
is made once; its fingerprint is logged, for "ass login --fingerprint".

policy.toml in the data dir, or --policy, says what agents may do; "ass policy
check" explains it. It is taken when it changes and is valid, and with an approval
passphrase once an owner accepts it ("ass policy accept"). So is the configuration
file: its tables count at once, the rest from the next start on.

Started by root, --user NAME runs it as that user: as root it only takes the
addresses, and makes the data dir and the socket's folder where there are none. On
Linux assd then confines itself to the folders of its files, as they are at the start;
"ass status" shows how far that went. A file elsewhere counts after a restart.

The configuration file may also have, with these defaults:
  [limits]
  failed_auth_per_minute = %d  # of one source; 0: no limit
  requests_per_second = 0      # of one key; 0: no limit

and up to ten webhooks, each told of events of the audit trail by signed messages
(Standard Webhooks), at least once, never with a value; they count at once:
  [[webhook]]
  name = "chat"                          # default: the host
  url = "https://hooks.example.com/ass"  # http goes to this machine alone
  events = ["approval.request", "secret.rotation_failed", "vault.*"]
  secret_file = "/etc/assd/hook.secret"  # echo "whsec_$(openssl rand -base64 32)"
  ca_file = "/etc/assd/ca.pem"           # default: this system's issuers

and places where signed checkpoints of the trail go when it has grown, so that it can
be held against them later ("ass audit verify --checkpoint FILE"):
  [[checkpoint]]
  file = "/mnt/usb/checkpoints"          # appended to; better on another device
  every = "1h"                           # at most so often; at least 1m
  # or url = "https://log.example.com/ass", with secret_file and ca_file as above
  # or syslog = "local", "udp://HOST:514", "tcp://HOST:601", "unix:///dev/log"

and backups of the vault, which assd then takes by itself, as ass vault backup does:
  [backup]
  dir = "/mnt/backups"  # nobody else can write there; better on another device
  every = "6h"
  keep = 28             # the oldest of its own beyond that are removed

and for each secret that "ass secrets rotate" makes the next value of:
  [[rotator]]
  path = "production/DB_PASSWORD"
  generate = { length = 32, charset = "alnum" }  # alpha digits hex base64url ascii
  every = "720h"                                 # when it is that old; else when asked
  # or generate = { length = 32, chars = "abc123" }, { format = "uuid" },
  # { format = "hex", length = 32 }, "base64" (length in bytes), { key = "ed25519" },
  # { key = "rsa", bits = 4096 }
  # or a program, which reads JSON (path, namespace, key, version, secret_type) and
  # prints the value; what it writes to stderr is logged, with the values masked:
  # command = ["/usr/local/lib/assd/rotate-stripe"]
  # timeout = "30s"      # at most 10m; then it is killed, and the old value stays
  # current = false      # true: the JSON has the current value

Examples:
  assd &
  assd --data-dir /srv/vault --socket /run/vault/assd.sock
  assd --listen :8443 --tls-san vault.example.com
  assd --listen :8443 --tls-cert cert.pem --tls-key key.pem --client-ca ca.pem
  assd --user assd          # by root: as a system service, see README.md
  ASSD_LOG_FORMAT=json assd`, server.DefaultFailedAuthPerMinute)
}

// Run serves until a signal, or until the vault must not be served any longer.
func (c *serveCmd) Run(out output, set settings, file *fileConfig, over *handed) error {
	if over != nil {
		*c = over.Serve // checked, and settled, by the image before
		return c.run(out, set, file, over)
	}
	if err := c.tlsFlags.check(); err != nil {
		return err
	}
	if err := c.sealFlags.check(c.dataFlags); err != nil {
		return err
	}
	if err := c.settle(file.as); err != nil {
		return err
	}
	c.memo, c.asUser = file.memo, file.as
	if err := file.open(); err != nil {
		return &exitError{2, err}
	}
	return c.run(out, set, file, nil)
}

// run is Run with what a daemon that was sealed has handed over; nil: it was started.
func (c *serveCmd) run(out output, set settings, file *fileConfig, over *handed) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ends := make(chan os.Signal, 1) // the same, for who has to know at once
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	if over != nil && over.taken.Ended() {
		stop() // and so ctx has ended
	}
	// Caught before anything is bound and never given back: whoever asks for the
	// files to be read again must not end the daemon, not even while it drains.
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	log := c.logger(out.stderr)
	d, err := c.bind(log, over)
	if err != nil {
		return err
	}
	d.ends, d.deaf = ends, stop
	err = d.start(ctx, c, set, file)
	if errors.Is(err, errStopped) {
		return d.close()
	}
	if err != nil {
		return errors.Join(err, d.giveUp(err), d.close())
	}
	return d.serve(ctx, again)
}

// logger writes the log to w.
func (c *serveCmd) logger(w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "assd", Level: hclog.LevelFromString(c.LogLevel), JSONFormat: c.LogFormat == "json", Output: w,
	})
}

// start does what comes before anybody is answered, or, of a sealed vault, is let in. What
// it has begun when it fails is the caller's to end.
func (d *daemon) start(ctx context.Context, c *serveCmd, set settings, file *fileConfig) (err error) {
	if err := d.drop(c.as); err != nil {
		return err
	}
	if err := d.unlock(ctx, c, file, set); err != nil {
		return err
	}
	if d.phase != nil {
		if file, set, err = d.inForce(c, file); err != nil {
			return err
		}
	}
	if err := d.open(c, set.limits); err != nil {
		return err
	}
	if d.commands, err = startCommands(d.vault, set, c.dataFlags, d.log, d.over); err != nil {
		return err
	}
	if d.files, err = c.files(d, file); err != nil {
		return err
	}
	if err := d.files.begin(ctx); err != nil {
		return err
	}
	if err := d.confine(append(c.folders(), set.folders()...)); err != nil {
		return err
	}
	d.tell(ctx, set, d.files.inUse.opened)
	return nil
}

// daemon is what is bound, open and served.
type daemon struct {
	log     hclog.Logger
	socket  net.Listener
	network *network
	vault   *vault.Vault
	srv     *server.Server
	files   *files
	dataDir string

	commands *commands

	front *server.Front // nil until something is answered
	phase *sealedPhase  // nil: the vault was opened at once
	over  *handed       // nil: the daemon was started

	// What the next image has to know, should the vault be sealed.
	ends     chan os.Signal
	deaf     func() // ends the daemon's context, which is told of no signal any more
	serving  *serveCmd
	unlink   bool
	confined confine.State
	folders  []confine.Folder
	failed   chan error // what ends the answering
}

// bind takes the addresses first: a start that fails on one leaves no new vault
// behind. Nobody is answered before serve.
func (c *serveCmd) bind(log hclog.Logger, over *handed) (*daemon, error) {
	if over != nil {
		d := &daemon{log: log, dataDir: c.dataDir(), over: over, serving: c, unlink: over.Unlink}
		return d, over.bind(d)
	}
	l, given, err := c.listen()
	if err != nil {
		return nil, err
	}
	n, err := c.tlsFlags.bind(c.dataDir(), c.as, log)
	if err != nil {
		return nil, errors.Join(c.unnamedTLS(err), c.as.AsRoot(l.Close))
	}
	return &daemon{log: log, socket: l, network: n, dataDir: c.dataDir(), serving: c, unlink: !given}, nil
}

// server is what the server of a vault needs, open or sealed.
func (d *daemon) server(c *serveCmd) (server.Config, error) {
	uid, err := peer.OwnerUID(c.dataDir())
	return server.Config{
		Log: d.log, Version: version, Front: d.front, Certificates: d.network.certificates(),
		MayClaim:     func(peer int) bool { return peer == uid || c.SocketGroup != "" && peer == 0 },
		UnsealRemote: c.UnsealRemote,
	}, err
}

// answer has srv answer on what is bound, from now on.
func (d *daemon) answer(srv *server.Server) {
	d.front.Answer(srv)
	if d.failed != nil {
		return
	}
	d.failed = make(chan error, 2)
	go func() { d.failed <- d.front.Serve(d.socket) }()
	d.network.serve(d.front, d.failed)
	// Only systemd listens for this; without it there is nobody to tell.
	if _, err := systemd.SdNotify(false, systemd.SdNotifyReady); err != nil {
		d.log.Warn("systemd could not be told that the daemon is ready", "error", err)
	}
}

// open makes what serves the open vault, with what lies in the locked data dir.
func (d *daemon) open(c *serveCmd, lim limits) (err error) {
	if d.front == nil { // else it answers already
		if err := d.network.open(d.log); err != nil {
			return err
		}
		d.front = server.NewFront(d.log, d.network.certificates())
	}
	cfg, err := d.server(c)
	if err != nil {
		return err
	}
	cfg.Vault, cfg.FailedAuthPerMinute, cfg.RequestsPerSecond = d.vault, lim.failedAuth, lim.requests
	d.srv = server.New(cfg)
	d.log.Info("serving", "socket", d.socket.Addr().String(), "data_dir", c.dataDir(), "tenant", d.vault.Tenant(), "claimed", d.vault.Claimed())
	if !d.vault.Claimed() {
		d.log.Info("this vault has no owner yet; to claim it: ass login --api-url " + shell.Quote(socketURL(d.socket.Addr().String())))
	}
	return nil
}

// apply puts settings in force while serving.
func (d *daemon) apply(s settings, o opened) {
	d.srv.Limit(s.limits.failedAuth, s.limits.requests)
	d.commands.use(s)
	d.tell(context.Background(), s, o)
}

// tell makes these the receivers of webhooks, and the places that checkpoints go to.
// The vault goes on trying where that fails.
func (d *daemon) tell(ctx context.Context, s settings, o opened) {
	if err := d.vault.SetWebhooks(ctx, o.receivers); err != nil {
		d.log.Error("a change of the webhooks could not be noted yet", "error", err)
	}
	warnCheckpoints(s.points, d.dataDir, d.log)
	d.vault.SetCheckpoints(o.checkpoints)
	d.vault.SetBackups(o.backups)
}

// close closes what is bound and open.
func (d *daemon) close() error {
	err := errors.Join(closed(d.socket), d.network.close())
	if d.vault != nil {
		err = errors.Join(err, d.vault.Close())
	}
	return errors.Join(err, d.commands.close()) // the vault has ended what runs
}

// open opens the vault, unless ctx ends before, or creates it where there is none.
func (c *serveCmd) open(ctx context.Context, log hclog.Logger) (*vault.Vault, error) {
	defer c.memo.wipe()
	cfg := c.vault()
	cfg.Log, cfg.Seals = log, c.seals(c.dataFlags, noPassphrase)
	exists, err := vault.Exists(cfg)
	switch {
	case err != nil:
		return nil, mendable(err)
	case exists:
		v, err := vault.OpenUntil(ctx, cfg)
		return v, mendable(err)
	}
	log.Info("there is no vault yet; creating one", "data_dir", cfg.Dir)
	return vault.Create(cfg)
}

// mendable is why a vault cannot be opened, with what mends a data file that is damaged.
func mendable(err error) error {
	if errors.Is(err, store.ErrForeign) && !errors.Is(err, store.ErrIrregular) || errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("%w; to put a backup in its place: assd restore FILE", err)
	}
	return err
}

// listen takes the socket that systemd hands over, or makes one.
func (c *serveCmd) listen() (l net.Listener, given bool, err error) {
	all, err := activation.Listeners()
	if err != nil {
		return nil, false, fmt.Errorf("taking systemd's socket: %w", err)
	}
	cfg := server.SocketConfig{Path: c.socket(), Group: c.SocketGroup}
	switch len(all) {
	case 0:
	case 1:
		l, err = server.Adopt(all[0], cfg)
		return l, true, err
	default:
		return nil, false, fmt.Errorf("systemd handed over %d sockets; one is expected", len(all))
	}
	if cfg.Group != "" && filepath.Dir(cfg.Path) == filepath.Clean(c.dataDir()) {
		return nil, false, &exitError{2, errors.New("--socket-group needs a --socket outside the data dir, in a folder open to the group: --socket /run/assd/assd.sock")}
	}
	l, err = c.listenUnix(cfg)
	return l, false, err
}

// socket is where the socket is made.
func (c *serveCmd) socket() string {
	if c.Socket != "" {
		return c.Socket
	}
	return defaultSocket(c.dataDir())
}

// watch follows the files that can be loaded again, until stop is called. Whoever
// asks by again asks for all of them.
func (d *daemon) watch(again <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	certificates, operators := make(chan os.Signal, 1), make(chan os.Signal, 1)
	var all sync.WaitGroup
	all.Go(func() { pass(ctx, again, certificates, operators) })
	all.Go(func() { d.network.watch(ctx, certificates) })
	all.Go(func() { d.files.watch(ctx, operators) })
	return func() {
		cancel()
		all.Wait()
	}
}

// pass hands on what comes, to each who has room for it, until ctx ends.
func pass(ctx context.Context, from <-chan os.Signal, to ...chan<- os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-from:
			for _, c := range to {
				select {
				case c <- s:
				default: // it is about to look
				}
			}
		}
	}
}

// serve answers until ctx ends or the vault dies, drains, and closes all. What
// comes from again asks for what can be loaded again.
func (d *daemon) serve(ctx context.Context, again <-chan os.Signal) error {
	stop := d.watch(again)
	d.answer(d.srv)
	d.phase.end(nil)
	var err error
	select {
	case <-ctx.Done():
		d.log.Info("stopping: finishing what is under way")
	case <-d.vault.SealAsked():
		return d.seal(ctx, stop)
	case <-d.vault.Dead():
		err = d.vault.Err()
	case err = <-d.failed:
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if shut := d.srv.Shutdown(drain); shut != nil {
		d.log.Warn("some requests were cut off", "error", shut)
	}
	stop() // before the vault that they offer files to
	// Shutdown closes a listener only if Serve had got hold of it.
	return errors.Join(err, d.close())
}
