//go:build js

package main

import (
	"fmt"
	"strings"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// levels are methods of the console, from the least serious on.
var levels = [...]string{"debug", "info", "warn", "error"}

// console is an env.Logger that writes what is at least as serious as a level.
type console struct {
	object safejs.Value
	from   int // index of levels
}

// logger makes a Logger for the word of a level; the default is error.
func logger(level string) env.Logger {
	object, ok := jsval.Global("console")
	if !ok {
		return env.NoLog{}
	}
	c := console{object, len(levels) - 1}
	for i, l := range levels {
		if strings.EqualFold(l, level) {
			c.from = i
		}
	}
	return c
}

// Debug implements env.Logger.
func (c console) Debug(msg string, args ...any) { c.log(0, msg, args) }

// Info implements env.Logger.
func (c console) Info(msg string, args ...any) { c.log(1, msg, args) }

// Warn implements env.Logger.
func (c console) Warn(msg string, args ...any) { c.log(2, msg, args) }

// Error implements env.Logger.
func (c console) Error(msg string, args ...any) { c.log(3, msg, args) }

func (c console) log(level int, msg string, args []any) {
	if level < c.from {
		return
	}
	var line strings.Builder
	line.WriteString("echospace: " + msg)
	for i, a := range args {
		if i%2 == 0 {
			fmt.Fprintf(&line, " %v=", a)
		} else {
			fmt.Fprintf(&line, "%v", a)
		}
	}
	_, _ = c.object.Call(levels[level], line.String()) // a page whose console throws gets no log
}
