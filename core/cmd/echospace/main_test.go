//go:build !js

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/signaltest"
	"github.com/echospace/echospace/core/signal/wssignal"
	"github.com/echospace/echospace/core/transport/ws"
)

// binary builds the command once, as it is shipped: static.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "echospace")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "echospace")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// running is the command under test.
type running struct {
	cmd    *exec.Cmd
	line   string      // the first line on stdout
	rest   chan []byte // what followed it, once the command ended
	stderr *strings.Builder
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: exec.Command(path, args...), rest: make(chan []byte, 1), stderr: &strings.Builder{}}
	r.cmd.Stderr = r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	if r.line, err = lines.ReadString('\n'); err != nil {
		t.Fatalf("no line on stdout: %v", err)
	}
	go func() {
		b, _ := io.ReadAll(lines)
		r.rest <- b
	}()
	return r
}

// terminate sends SIGTERM and waits for status 0 and no more output.
func (r *running) terminate(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest := <-r.rest; len(rest) != 0 {
		t.Errorf("more than one line on stdout: %q", rest)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("ended with %v; stderr:\n%s", err, r.stderr)
	}
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(signaltest.Context(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// meet joins two clients through the relay and sends a frame.
func meet(t *testing.T, url string) (a signal.Rendezvous) {
	t.Helper()
	client := func() *wssignal.Client {
		c := wssignal.New(wssignal.Options{URL: url, Dial: ws.Dial, Env: env.Env{
			Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		}})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	a = signaltest.Join(t, client(), signaltest.Topic(1))
	b := signaltest.Join(t, client(), signaltest.Topic(1))
	to := signaltest.Next(t, b, signal.Up).Self
	signaltest.Until(t, a, signal.Joined)
	if err := a.Send(signaltest.Context(t), to, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if ev := signaltest.Until(t, b, signal.Frame); string(ev.Data) != "hello" {
		t.Errorf("frame %q", ev.Data)
	}
	return a
}

func TestRelayCommand(t *testing.T) {
	r := start(t, "relay", "--listen", "127.0.0.1:0")
	m := regexp.MustCompile(`^relay (ws://(127\.0\.0\.1:\d+)/relay)\n$`).FindStringSubmatch(r.line)
	if m == nil {
		t.Fatalf("stdout %q", r.line)
	}
	if resp, body := get(t, "http://"+m[2]+"/healthz"); resp.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz: %d %q", resp.StatusCode, body)
	}
	a := meet(t, m[1])
	if _, body := get(t, "http://"+m[2]+"/metrics"); !strings.Contains(body, "echospace_relay_connections 2\n") ||
		!strings.Contains(body, "echospace_relay_frames_total 1\n") {
		t.Errorf("metrics:\n%s", body)
	}
	r.terminate(t)
	if ev := signaltest.Until(t, a, signal.Down); !errs.Is(ev.Err, errs.RelayRefused) {
		t.Errorf("clients were not told: %v", ev.Err)
	}
}

func TestRelayCommandRefuses(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"unknown flag":   {"relay", "--nope"},
		"bad limit":      {"relay", "--max-peers", "-1", "--listen", "127.0.0.1:0"},
		"bad address":    {"relay", "--listen", "256.0.0.1:0"},
		"no such root":   {"dev", "--root", "/nonexistent"},
		"no command":     {},
		"unknown origin": {"relay", "--origin", "[", "--listen", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, args...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil || stderr.Len() == 0 || ctx.Err() != nil {
				t.Errorf("ended with %v, stderr %q", err, stderr.String())
			}
		})
	}
}

func TestDevCommand(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("index.html", "<!doctype html>page")
	write("web/dist/index.js", "export {}")
	write("web/dist/echospace.wasm", "\x00asm plain")
	write("web/dist/echospace.wasm.br", "brotli")
	write("web/dist/echospace.wasm.gz", "gzip")
	write(".git/config", "secret")
	write("web/dist/old.js", "new build")
	write("web/dist/old.js.br", "old build")
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(root, "web/dist/old.js.br"), past, past); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(root, "outside")); err != nil {
		t.Fatal(err)
	}

	r := start(t, "dev", "--listen", "127.0.0.1:0", "--root", root)
	m := regexp.MustCompile(`^page (http://(127\.0\.0\.1:\d+)/)\n$`).FindStringSubmatch(r.line)
	if m == nil {
		t.Fatalf("stdout %q", r.line)
	}
	tests := []struct {
		path, accept       string
		status             int
		mime, encoding, is string
	}{
		{"", "", 200, "text/html; charset=utf-8", "", "<!doctype html>page"},
		{"index.html", "gzip, br", 200, "text/html; charset=utf-8", "", "<!doctype html>page"},
		{"web/dist/index.js", "", 200, "text/javascript; charset=utf-8", "", "export {}"},
		{"web/dist/echospace.wasm", "", 200, "application/wasm", "", "\x00asm plain"},
		{"web/dist/echospace.wasm", "gzip, deflate, br", 200, "application/wasm", "br", "brotli"},
		{"web/dist/echospace.wasm", "gzip, br;q=0.0", 200, "application/wasm", "gzip", "gzip"},
		{"web/dist/old.js", "br", 200, "text/javascript; charset=utf-8", "", "new build"},
		{".git/config", "", 404, "", "", ""},
		{"web/dist/", "", 404, "", "", ""},
		{"web/dist", "", 404, "", "", ""},
		{"outside", "", 404, "", "", ""},
		{"%2e%2e/etc/passwd", "", 404, "", "", ""},
		{"nothing", "", 404, "", "", ""},
		{"healthz", "", 200, "text/plain; charset=utf-8", "", "ok\n"},
	}
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.accept, func(t *testing.T) {
			resp, body := get(t, m[1]+tt.path, "Accept-Encoding", tt.accept)
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if tt.status != http.StatusOK {
				return
			}
			if ct, ce := resp.Header.Get("Content-Type"), resp.Header.Get("Content-Encoding"); ct != tt.mime || ce != tt.encoding || body != tt.is {
				t.Errorf("got %q, %q, %q; want %q, %q, %q", ct, ce, body, tt.mime, tt.encoding, tt.is)
			}
		})
	}
	resp, _ := get(t, m[1])
	if cc := resp.Header.Get("Cache-Control"); cc != "no-cache" {
		t.Errorf("Cache-Control %q", cc)
	}
	if resp, _ := get(t, m[1], "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("known ETag: status %d", resp.StatusCode)
	}
	meet(t, "ws://"+m[2]+"/relay")
	r.terminate(t)
}

func TestVersionCommand(t *testing.T) {
	r := start(t, "version")
	if !strings.HasPrefix(r.line, "echospace ") {
		t.Errorf("version says %q", r.line)
	}
	<-r.rest
	if err := r.cmd.Wait(); err != nil {
		t.Error(err)
	}
}
