//go:build !js

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/echospace/echospace/core/signal/relay"
)

type devCmd struct {
	Listen     string `default:"127.0.0.1:8000" help:"Address to listen on; port 0 takes a free one."`
	Root       string `default:"." type:"existingdir" help:"The checkout: where index.html and web/dist are."`
	limitFlags `embed:""`
}

// Run serves the page and a relay until the process is told to end.
func (c *devCmd) Run(p *process) error {
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		return fmt.Errorf("cannot serve %s: %w", c.Root, err)
	}
	defer root.Close()
	r, err := relay.New(c.options(p.log))
	if err != nil {
		return err
	}
	mux := relayMux(r)
	mux.Handle("/", &static{root: root})
	s := server{relay: r, mux: mux, line: "page http://%s/\n", drain: time.Second}
	return s.run(p, c.Listen)
}
