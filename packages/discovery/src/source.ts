import type { Change } from '@bascule/core';

/**
 * Tells who is there. A source that fails, restarts or answers with nothing does not empty the set: only what it
 * knows to have left is removed.
 */
export interface Source {
  /** Begins. Once; the listener may be called from inside. */
  start(listener: SourceListener): void;
  status(): SourceStatus;
  /** Descriptors of a digest that a present endpoint names, once they have arrived. */
  schemaFor(digest: string): Uint8Array | undefined;
  /** Says nothing any more; the set stays as it is. */
  close(): Promise<void>;
}

/** What a source tells. */
export interface SourceListener {
  /** Never empty. Changes of one batch belong together. */
  changes(changes: readonly Change[]): void;
  status(status: SourceStatus): void;
  /** Descriptors have arrived. */
  schema(digest: string, schema: Uint8Array): void;
}

/** How a source stands. `stale`: it was lost, and what it said last still counts. */
export interface SourceStatus {
  readonly state: 'connecting' | 'connected' | 'stale';
  /** Wall-clock milliseconds since the state began. */
  readonly sinceMs: number;
  /** Why the source is not connected, for people. */
  readonly error?: string;
}
