import { EchospaceError } from './errors.js';

/** An empty module: eight bytes that every engine compiles, if it may compile anything. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** Throws unless the page and the browser can run the core at all. */
export function checkPlatform(): void {
  if (globalThis.isSecureContext === false) {
    throw new EchospaceError(
      'INSECURE_CONTEXT',
      'initialize: this page is not a secure context; serve it over https or from localhost',
    );
  }
  const { WebAssembly, crypto, TextEncoder, MessageChannel } = globalThis;
  const needed = { WebAssembly, crypto: crypto?.subtle, TextEncoder, MessageChannel };
  for (const [name, value] of Object.entries(needed)) {
    if (value === undefined) {
      throw new EchospaceError(
        'UNSUPPORTED_BROWSER',
        `initialize: this browser lacks ${name}; a newer one has it`,
      );
    }
  }
}

function unavailable(url: string, why: string, cause?: unknown): EchospaceError {
  return new EchospaceError('WASM_UNAVAILABLE', `initialize: ${url}: ${why}`, { cause });
}

const hint = 'copy echospace.wasm beside the bundle, or name its address in config.wasmUrl';

/**
 * Fetches and compiles the module, in one stream when the server names the
 * right media type. Every failure is WASM_UNAVAILABLE and says which it was:
 * no answer, an error of the server, something else than a module, a damaged
 * module, or a content security policy that forbids WebAssembly.
 */
export async function fetchModule(url: string): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin' });
  } catch (error) {
    throw unavailable(url, `cannot be fetched; ${hint}`, error);
  }
  if (!response.ok) throw unavailable(url, `HTTP ${response.status}; ${hint}`);
  const mediaType = response.headers.get('content-type') ?? '';
  try {
    if (/^application\/wasm\s*(;|$)/i.test(mediaType)) return await WebAssembly.compileStreaming(response);
    return await WebAssembly.compile(await moduleBytes(url, response, mediaType));
  } catch (error) {
    if (error instanceof EchospaceError) throw error;
    throw unavailable(url, await whyNotCompiled(), error);
  }
}

async function moduleBytes(url: string, response: Response, mediaType: string): Promise<ArrayBuffer> {
  const bytes = await response.arrayBuffer();
  const head = new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
  const isModule = head.length === 4 && head.every((byte, i) => byte === emptyModule[i]);
  if (!isModule)
    throw unavailable(url, `is not a WebAssembly module but ${mediaType || 'something else'}; ${hint}`);
  return bytes;
}

async function whyNotCompiled(): Promise<string> {
  try {
    await WebAssembly.compile(emptyModule);
  } catch {
    return "the page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to script-src";
  }
  return 'is a damaged or incomplete module; build or download it again';
}
