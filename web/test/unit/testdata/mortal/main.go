//go:build js

// Command mortal is a module that dies in each of the ways a module can: the
// runtime of the page is tested against it.
package main

import (
	"os"
	"syscall/js"
)

func main() {
	api := js.ValueOf(map[string]any{"version": "mortal"})
	method := func(name string, f func()) {
		api.Set(name, js.FuncOf(func(js.Value, []js.Value) any {
			f()
			return nil
		}))
	}
	method("exit", func() { os.Exit(3) })
	method("panic", func() { panic("on request") })
	method("panicLater", func() { go panic("on request") })
	api.Set("fail", js.FuncOf(func(js.Value, []js.Value) any {
		err := js.Global().Get("Error").New("no identity yet")
		err.Set("code", "NO_IDENTITY")
		return err
	}))
	js.Global().Call("__echospace_ready", api)
	select {}
}
