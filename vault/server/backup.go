package server

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// typeBackup is what a backup is.
const typeBackup = "application/octet-stream"

// getBackup is backup for a vault without an approval passphrase.
func (s *Server) getBackup(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	return s.sendBackup(rq, api.BackupRequest{})
}

func (s *Server) backup(rq *request) (any, error) {
	want, err := bodyOf[api.BackupRequest](rq)
	if err != nil {
		return nil, err
	}
	return s.sendBackup(rq, want)
}

// sendBackup makes a backup and sends it. One is made and sent at a time. When the daemon
// stops it is given up, or cut.
func (s *Server) sendBackup(rq *request, want api.BackupRequest) (any, error) {
	leave := func() {}
	ctx, end := s.untilStop(rq.ctx())
	defer end()
	b, err := s.cfg.Vault.Backup(ctx, rq.who(), want, func() (err error) {
		leave, err = s.backupPlace(ctx)
		return err
	})
	if err != nil {
		leave()
		if context.Cause(ctx) == errStopping {
			err = s.whyStopped()
		}
		return nil, err
	}
	rq.leave = func() {
		_ = b.Close() // of a file that was only read
		leave()
	}
	return &stream{typ: typeBackup, header: backupHeader(b), send: func(ctx context.Context, out *outlet) error {
		_, err := io.Copy(out, whileIn{ctx, b})
		return err
	}}, nil
}

// backupWait is how long a place is waited for: who has just got the last of a backup may
// ask for the next one, and finds its own place taken still.
const backupWait = time.Second

// backupPlace is the place of the one backup that is made or sent. leave may be called
// where there is none.
func (s *Server) backupPlace(ctx context.Context) (leave func(), err error) {
	soon, stop := context.WithTimeout(ctx, backupWait)
	defer stop()
	leave, err = s.backups.enter(soon, "")
	switch {
	case err == nil:
		return leave, nil
	case ctx.Err() != nil:
		return func() {}, ctx.Err()
	}
	return func() {}, &api.Error{Code: api.CodeRateLimited, Message: "a backup is being made or sent already", Hint: "try again when that is done", RetryAfter: walkRetry}
}

// whileIn reads from Reader until ctx ends.
type whileIn struct {
	ctx context.Context
	io.Reader
}

func (r whileIn) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

func backupHeader(b *vault.Backup) http.Header {
	sum, _ := hex.DecodeString(b.SHA256) // our own
	h := http.Header{}
	h.Set("Content-Length", strconv.FormatInt(b.Size, 10))
	h.Set(api.BackupDigest, "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	h.Set(api.BackupTenant, b.Tenant)
	h.Set(api.BackupEvents, strconv.FormatUint(b.Events, 10))
	h.Set(api.BackupHead, b.Head)
	h.Set(api.BackupSlots, strings.Join(b.Slots, ", "))
	return h
}
