export function withFunctions(original: string, functions: string): string;
export function writeOverlay(goroot: string, folder: string, options?: { forTests?: boolean; root?: string }): string;
