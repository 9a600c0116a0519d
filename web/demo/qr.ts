import qrcode from 'qrcode-generator';
import { makeSvg } from './dom.js';

/** Empty modules around a QR code (ISO/IEC 18004 asks for four). */
const quietZone = 4;

/**
 * Draws text as a QR code: one path, dark on light whatever the page's colours.
 * What follows the last `=`, an invitation code of capitals and digits, is
 * encoded as such, which makes the drawing coarser and easier to read.
 */
export function drawQr(text: string, label: string): SVGElement {
  const split = text.lastIndexOf('=') + 1;
  const qr = qrcode(0, 'M');
  qr.addData(text.slice(0, split), 'Byte');
  qr.addData(text.slice(split), 'Alphanumeric');
  qr.make();
  const modules = qr.getModuleCount();
  const side = modules + 2 * quietZone;
  const svg = makeSvg('svg', { viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label });
  let path = '';
  for (let row = 0; row < modules; row++) {
    for (let column = 0; column < modules; column++) {
      if (qr.isDark(row, column)) path += `M${column + quietZone} ${row + quietZone}h1v1h-1z`;
    }
  }
  svg.append(
    makeSvg('rect', { width: String(side), height: String(side), fill: '#fff' }),
    makeSvg('path', { d: path, fill: '#10201d', 'shape-rendering': 'crispEdges' }),
  );
  return svg;
}
