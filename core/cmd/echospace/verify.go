//go:build !js

package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/echospace/echospace/core/credential"
)

type verifyCmd struct {
	File     string   `arg:"" help:"The presentation; - reads standard input."`
	Nonce    string   `required:"" placeholder:"HEX" help:"The nonce that was asked with."`
	Audience string   `help:"The audience that it must name."`
	Trust    []string `placeholder:"HEX" help:"Identities and spaces, of which the presenter must be one or show one. Repeatable."`
}

// Run prints what a presentation shows, and fails if it does not hold.
func (c *verifyCmd) Run(p *process) error {
	want := credential.Expected{Audience: c.Audience, Now: time.Now().UnixMilli()}
	var err error
	if want.Nonce, err = hex.DecodeString(c.Nonce); err != nil {
		return fmt.Errorf("--nonce takes hexadecimal digits: %w", err)
	}
	for _, t := range c.Trust {
		key, err := hex.DecodeString(t)
		if err != nil || len(key) != 32 {
			return errors.New("--trust takes keys of 64 hexadecimal digits")
		}
		want.Trust = append(want.Trust, [32]byte(key))
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, credential.MaxPresentation+1))
	if err != nil {
		return err
	}
	shown, err := credential.VerifyPresentation(b, want)
	if err != nil {
		return err
	}
	return printShown(p.stdout, shown)
}

// printShown writes one fact a line, each of words and keys.
func printShown(w io.Writer, s *credential.Shown) (err error) {
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format+"\n", args...)
		}
	}
	line("identity %v", s.Identity)
	line("device %v", s.Device)
	if s.Audience != "" {
		line("audience %q", s.Audience)
	}
	line("issued %s", instant(s.Issued))
	line("expires %s", instant(s.Expires))
	for _, m := range s.Spaces {
		line("member %v %v", m.Space, m.Role)
	}
	for _, c := range s.Credentials {
		line("credential %v %s%s issuer %x at %s", c.ID(), credential.TypeName(c.Claim), said(c.Claim), c.Issuer, instant(c.Time))
	}
	return err
}

func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// said is what a claim says besides its type and whom it is about.
func said(c credential.Claim) string {
	switch c := c.(type) {
	case credential.Device:
		return fmt.Sprintf(" %v %q", c.Device, c.Label)
	case credential.Recovery:
		return fmt.Sprintf(" %x", c.Key)
	case credential.Member:
		return fmt.Sprintf(" %v %v %q", c.Identity, c.Role, c.Name)
	case credential.SetRole:
		return fmt.Sprintf(" %v %v", c.Identity, c.Role)
	case credential.Profile:
		return fmt.Sprintf(" %q", c.Name)
	}
	return ""
}
