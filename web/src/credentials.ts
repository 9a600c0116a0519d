import type { Connection } from './client.js';
import { PublicKey } from './keys.js';
import { Observable, Source } from './observable.js';
import type { RawCredential } from './raw.js';
import type { Credential, CredentialFilter, Role } from './types.js';

/** The part of a list that matches, as an observable's source. */
class Matching<T> extends Source<T[]> {
  readonly #all: Source<T[]>;
  readonly #matches: (item: T) => boolean;
  #last: { readonly all: T[]; readonly matching: T[] } | undefined;

  constructor(all: Source<T[]>, matches: (item: T) => boolean) {
    super([]);
    this.#all = all;
    this.#matches = matches;
  }

  override get value(): T[] {
    return this.#of(this.#all.value);
  }

  #of(all: T[]): T[] {
    if (this.#last?.all !== all) this.#last = { all, matching: all.filter(this.#matches) };
    return this.#last.matching;
  }

  override subscribe(...[next, error, complete]: Parameters<Source<T[]>['subscribe']>) {
    return this.#all.subscribe(next && ((all) => next(this.#of(all))), error, complete);
  }
}

/** The credentials of a client's identity. The core is followed from the first query on. */
export class Credentials {
  readonly #source = new Source<Credential[]>([]);
  #connection: Connection | undefined;
  #queried = false;
  #following = false;

  query({ type, spaceKey }: CredentialFilter = {}): Observable<Credential[]> {
    this.#queried = true;
    this.#begin();
    const types = typeof type === 'string' ? [type] : type;
    const space = spaceKey && PublicKey.from(spaceKey);
    return new Observable(
      new Matching(
        this.#source,
        (credential) =>
          (!types || types.includes(credential.type)) && (!space || space.equals(credential.spaceKey ?? '')),
      ),
    );
  }

  /** Follows a client that was opened. */
  follow(connection: Connection): void {
    this.#connection = connection;
    this.#following = false;
    this.#begin();
  }

  #begin(): void {
    if (!this.#connection || !this.#queried || this.#following) return;
    this.#following = true;
    const { runtime, raw, stops } = this.#connection;
    stops.push(runtime.call(() => raw.observe('credentials', (values) => this.#next(values))));
  }

  #next(values: RawCredential[]): void {
    const old = this.#source.value;
    if (values.length === old.length && values.every(({ id }, i) => id === old[i]?.id)) return;
    this.#source.next(values.map(credentialOf));
  }

  /** Forgets those of a client that was closed. */
  clear(): void {
    this.#connection = undefined;
    this.#source.next([]);
  }
}

/** @internal */
export function credentialOf(raw: RawCredential): Credential {
  const { type, issuer, subject, spaceKey, deviceKey, role, ...rest } = raw;
  return {
    ...rest,
    type: type as Credential['type'],
    issuer: PublicKey.from(issuer),
    ...(role !== undefined && { role: role as Role }),
    ...(subject && { subject: PublicKey.from(subject) }),
    ...(spaceKey && { spaceKey: PublicKey.from(spaceKey) }),
    ...(deviceKey && { deviceKey: PublicKey.from(deviceKey) }),
  };
}
