//go:build !js

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line.
type cli struct {
	LogLevel slog.Level `default:"info" env:"ECHOSPACE_LOG" help:"Log from this level on: debug, info, warn or error."`

	Relay   relayCmd   `cmd:"" help:"Run a relay, which introduces peers."`
	Dev     devCmd     `cmd:"" help:"Serve a checkout's page and a relay on one port."`
	Verify  verifyCmd  `cmd:"" help:"Print what a presentation of credentials shows."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// process is what a command gets of the process.
type process struct {
	ctx    context.Context // done on SIGTERM and SIGINT
	stdout io.Writer
	log    *slog.Logger
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("echospace"), kong.UsageOnError(),
		kong.Description("Replicated spaces for web pages: relay and development server."))
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	// A second signal ends the process at once: draining has begun.
	context.AfterFunc(ctx, stop)
	k.FatalIfErrorf(k.Run(&process{ctx: ctx, stdout: os.Stdout, log: log}))
}

type versionCmd struct{}

// Run prints the version that the build was made of.
func (versionCmd) Run(p *process) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintf(p.stdout, "echospace %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
