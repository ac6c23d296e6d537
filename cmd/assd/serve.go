package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/server"
)

// drainTime is how long requests under way may take to finish at a stop.
const drainTime = 10 * time.Second

type serveCmd struct {
	dataFlags   `embed:""`
	Socket      string `env:"ASSD_SOCKET" placeholder:"PATH" help:"Unix socket to serve on (default: ${socket})."`
	SocketGroup string `env:"ASSD_SOCKET_GROUP" placeholder:"GROUP" help:"Serve a whole group of users, as a system service: socket 0660, its folder 0750. Without it, only your own user."`
	LogLevel    string `env:"ASSD_LOG_LEVEL" enum:"trace,debug,info,warn,error" default:"info" help:"trace, debug, info, warn or error."`
	LogFormat   string `env:"ASSD_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json; the log goes to standard error."`
}

func (serveCmd) Help() string {
	return `Serves the vault until SIGTERM or SIGINT, then finishes what is under way.
Without a vault in the data dir it creates one, unclaimed: the first "ass login"
of the same user claims it.

Examples:
  assd &
  assd --data-dir /srv/vault --socket /run/vault/assd.sock
  ASSD_LOG_FORMAT=json assd`
}

// Run serves until a signal, or until the vault must not be served any longer.
func (c *serveCmd) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := hclog.New(&hclog.LoggerOptions{
		Name: "assd", Level: hclog.LevelFromString(c.LogLevel), JSONFormat: c.LogFormat == "json", Output: out.stderr,
	})
	// The socket first: a start that fails on it leaves no new vault behind.
	// Nobody is answered before serve.
	l, err := c.listen()
	if err != nil {
		return err
	}
	v, err := c.open(log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	uid, err := peer.OwnerUID(c.dataDir())
	if err != nil {
		return errors.Join(err, l.Close(), v.Close())
	}
	srv := server.New(server.Config{
		Vault: v, Log: log, Version: version,
		MayClaim: func(peer int) bool { return peer == uid || c.SocketGroup != "" && peer == 0 },
	})
	log.Info("serving", "socket", l.Addr().String(), "data_dir", c.dataDir(), "tenant", v.Tenant(), "claimed", v.Claimed())
	if !v.Claimed() {
		log.Info("this vault has no owner yet: run ass login to claim it")
	}
	return serve(ctx, v, srv, l, log)
}

// open opens the vault, or creates it where there is none.
func (c *serveCmd) open(log hclog.Logger) (*vault.Vault, error) {
	cfg := c.vault()
	cfg.Log = log
	exists, err := vault.Exists(cfg)
	switch {
	case err != nil:
		return nil, err
	case exists:
		return vault.Open(cfg)
	}
	log.Info("there is no vault yet; creating one", "data_dir", cfg.Dir)
	return vault.Create(cfg)
}

// listen takes the socket that systemd hands over, or makes one.
func (c *serveCmd) listen() (net.Listener, error) {
	given, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("taking systemd's socket: %w", err)
	}
	cfg := server.SocketConfig{Path: c.Socket, Group: c.SocketGroup}
	switch len(given) {
	case 0:
	case 1:
		return server.Adopt(given[0], cfg)
	default:
		return nil, fmt.Errorf("systemd handed over %d sockets; one is expected", len(given))
	}
	if cfg.Path == "" {
		cfg.Path = defaultSocket(c.dataDir())
	}
	if cfg.Group != "" && filepath.Dir(cfg.Path) == filepath.Clean(c.dataDir()) {
		return nil, &exitError{2, errors.New("--socket-group needs a --socket outside the data dir, in a folder open to the group: --socket /run/assd/assd.sock")}
	}
	return server.ListenUnix(cfg)
}

// serve answers until ctx ends or the vault dies, drains, and closes the vault.
func serve(ctx context.Context, v *vault.Vault, srv *server.Server, l net.Listener, log hclog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	// Only systemd listens for this; without it there is nobody to tell.
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Warn("systemd could not be told that the daemon is ready", "error", err)
	}
	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping: finishing what is under way")
	case <-v.Dead():
		err = v.Err()
	case err = <-failed:
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if shut := srv.Shutdown(drain); shut != nil {
		log.Warn("some requests were cut off", "error", shut)
	}
	// Shutdown closes it only if Serve had got hold of it.
	if closing := l.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
		err = errors.Join(err, closing)
	}
	return errors.Join(err, v.Close())
}
