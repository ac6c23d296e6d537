package conformance_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// published are the clients and the SHA-512 of each as it was published.
var published = map[string]string{
	"@agentsecretstore/cli@1.0.0": "jarlhcAW/RaCR60yuMvummjMKzCys9DrBlwwa9Lr9WXtOaRkvxBW+cje0iJcO06AFSYsDKUQ58vz8Lrn8JTYTA==",
	"@agentsecretstore/sdk@1.0.0": "wDMHxXkY+Y/gjAQJoitSQug8vI2q7XkydEQw96m0Jc7qCBDlVokYFjrKLcQ8UIeWOq6sYK5JA5PWkFxxG1mFfw==",
	"@agentsecretstore/mcp@1.0.0": "YJmcQWjCmE9LEll7yGxg32JhRxA49n0NQPCS5C6Knnrz81mzYc8JRRHXiW3u5ayfjTWjSBaJAc2u6852kKB9uA==",
}

// mcpClient is the official client of the protocol.
const mcpClient = "@modelcontextprotocol/sdk@1.32.2"

// npmTime is how long npm may take to fetch the packages.
const npmTime = 5 * time.Minute

// packages installs the clients with npm, as it is configured here, and compares
// every file of theirs with the tarball that was published.
func (w *world) packages(t *testing.T) {
	w.folder(t, "clients")
	tarballs := w.folder(t, "tarballs")
	write(t, filepath.Join(w.clients, "package.json"), `{"private":true}`, 0o600)
	args := []string{"install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", mcpClient}
	for name := range published {
		args = append(args, name)
	}
	w.npm(t, args...)
	for name, sum := range published {
		w.npm(t, "pack", "--pack-destination", tarballs, name)
		w.compare(t, tarballs, name, sum)
	}
}

// npm runs with the environment of whoever runs the tests: it knows where
// packages come from.
func (w *world) npm(t *testing.T, args ...string) {
	t.Helper()
	w.run(t, npmTime, w.clients, os.Environ(), "npm", args...).ok(t)
}

// compare fails the test unless what is installed is the published tarball, and
// nothing besides.
func (w *world) compare(t *testing.T, tarballs, name, sum string) {
	t.Helper()
	bare, version, _ := strings.Cut(strings.TrimPrefix(name, "@"), "@")
	file := filepath.Join(tarballs, strings.ReplaceAll(bare, "/", "-")+"-"+version+".tgz")
	raw := read(t, file)
	if got := sha512.Sum512([]byte(raw)); base64.StdEncoding.EncodeToString(got[:]) != sum {
		t.Fatalf("%s is not the tarball that was published", name)
	}
	want := unpack(t, raw)
	root := filepath.Join(w.clients, "node_modules", "@"+bare)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir // of a dependency
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if text, ok := want[rel]; !ok || text != read(t, path) {
			t.Errorf("%s: %s is not as it was published", name, rel)
		}
		delete(want, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for rel := range want {
		t.Errorf("%s: %s was not installed", name, rel)
	}
}

// unpack returns the files of a package's tarball by their names in the package.
func unpack(t *testing.T, raw string) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := io.Copy(&text, r); err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "package/")] = text.String()
	}
}
