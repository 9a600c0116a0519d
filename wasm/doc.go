// Command wasm is the composition root of the page's module: it binds the
// adapters of jsbridge and the technology packages of core to core/client, and
// hands the api object of jsbridge/bind to globalThis.__echospace_ready. It
// decides nothing else.
//
// Except for this file and native.go the package exists only for js.
package main
