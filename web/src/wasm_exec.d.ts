/**
 * The Go distribution's `wasm_exec.js`, which stands unchanged at the top of the
 * repository. The build wraps it into a function, so that importing this package
 * has no effect until a client is initialized.
 */
declare module 'wasm_exec' {
  /** Defines `globalThis.Go` and the few globals that Go's runtime wants. */
  export function defineGo(): void;
}
