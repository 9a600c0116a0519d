// IndexedDB as promises, as far as the adapters need it.

export function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export function complete(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** The bytes of keys and values in all databases of this page. */
export async function storedBytes() {
  let bytes = 0;
  for (const { name } of await indexedDB.databases()) {
    const db = await result(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      const objects = db.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([result(objects.getAllKeys()), result(objects.getAll())]);
      for (const item of [...keys, ...values]) bytes += sizeOf(item);
    }
    db.close();
  }
  return bytes;
}

function sizeOf(item) {
  if (item instanceof ArrayBuffer || ArrayBuffer.isView(item)) return item.byteLength;
  if (typeof item === 'string') return item.length;
  if (typeof item !== 'object' || item === null) return 8;
  return Object.values(item).reduce((sum, value) => sum + sizeOf(value), 0);
}
