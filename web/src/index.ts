/**
 * Echospace: a replicated, encrypted database for web pages. Begin with
 * {@link Client}.
 *
 * @packageDocumentation
 */

export { Client, type Mesh, SpaceList } from './client.js';
export { Counter } from './db/counter.js';
export { Database, type FlushOptions, type SearchOptions, type TransactOptions } from './db/database.js';
export type { Migration, Problem } from './db/definition.js';
export { Expando, type ExpandoConstructor } from './db/expando.js';
export type {
  Condition,
  Conditions,
  DeletedOption,
  Filter,
  Operators,
  Order,
  PropertyPath,
  Search,
} from './db/filter.js';
export type {
  BlameRun,
  Change,
  ChangedObject,
  Difference,
  HistoryOptions,
  PropertyChange,
  RestoreOptions,
  TouchedObject,
} from './db/history.js';
export type { IndexDefinition, QueryPlan } from './db/indexes.js';
export { moveItem } from './db/list.js';
export { idOf, isLive, isRemoved, type Live } from './db/live.js';
export type { FormatOptions, MarkExpansion, Marks, MarkValue, TextRun } from './db/marks.js';
export { Query, type QueryOptions, type QueryResult } from './db/query.js';
export { ReadonlyDatabase } from './db/readonly.js';
export type {
  InputOf,
  OutputOf,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from './db/standardschema.js';
export { Text, type TextAnchor, type TextEvent } from './db/text.js';
export type { TextOp } from './db/textdelta.js';
export { defineType, type ObjectType, type TypeOptions } from './db/type.js';
export { UndoManager, type UndoState, type UndoStep } from './db/undo.js';
export { Version } from './db/version.js';
export { EchospaceError, type ErrorCode } from './errors.js';
export { Halo } from './halo.js';
export { AuthenticatingInvitation, CancellableInvitation } from './invitation.js';
export { InvitationEncoder } from './invitationcode.js';
export { PublicKey } from './keys.js';
export { Observable, type Subscription } from './observable.js';
export { RecoveryPhrase } from './phrase.js';
export { verifyPresentation } from './presentation.js';
export { type ChannelMessage, Space } from './space.js';
export type * from './types.js';
