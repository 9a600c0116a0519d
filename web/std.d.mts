export function writeOverlay(goroot: string, folder: string): string;
