import qrcode from 'qrcode-generator';

/** Empty modules around a QR code (ISO/IEC 18004 asks for four). */
const quietZone = 4;

/**
 * Draws text as a QR code with error correction M: an SVG document of one path, dark on
 * light whatever the page's colours. What follows the last `=`, an invitation code of
 * capitals and digits, is encoded as such, which makes the drawing coarser and easier to
 * read.
 */
export function drawQr(text: string, label: string): string {
  const split = text.lastIndexOf('=') + 1;
  const qr = qrcode(0, 'M');
  qr.addData(text.slice(0, split), 'Byte');
  qr.addData(text.slice(split), 'Alphanumeric');
  qr.make();
  const modules = qr.getModuleCount();
  let path = '';
  for (let row = 0; row < modules; row++) {
    for (let column = 0; column < modules; column++) {
      if (qr.isDark(row, column)) path += `M${column + quietZone} ${row + quietZone}h1v1h-1z`;
    }
  }
  const side = modules + 2 * quietZone;
  const name = label.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" role="img" aria-label="${name}">` +
    `<rect width="${side}" height="${side}" fill="#fff"/>` +
    `<path d="${path}" fill="#10201d" shape-rendering="crispEdges"/></svg>`
  );
}
