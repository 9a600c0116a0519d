// Yjs as it is without y-indexeddb, which costs more than the text itself.

import * as Y from 'yjs';
import { textOf } from './yjs.mjs';

export const text = async () => textOf(new Y.Doc());
