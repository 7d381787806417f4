import type { Change, Clock, Endpoint, RemovalCause } from '@bascule/core';
import type { SourceListener, SourceStatus } from '../source.ts';

/**
 * Who is there, over all sources: the only place where their words, checks and the last known set are weighed. Sources
 * tell, checks report, and out comes one stream of changes. Pure but for its clock: replays by seed.
 */
export interface Membership {
  /** A place for a source. Its listener is given to `Source.start`. Throws when the name is taken. */
  join(options: JoinOptions): Joined;
  /** What a check found of an endpoint; ignored for one that is not there. See health/. */
  report(key: string, verdict: Verdict): void;
  members(): MemberRecord[];
  member(key: string): MemberRecord | undefined;
  /** The last 100 that left, newest first. */
  removals(): RemovalRecord[];
  sources(): SourceRecord[];
  /** Descriptors by digest, of the endpoints that are there. */
  schema(digest: string): Uint8Array | undefined;
  schemas(): Map<string, Uint8Array>;
  /** Differences between sources about the same endpoint, and removals by cause: counters for metrics. */
  counters(): { readonly conflicts: number; readonly removals: ReadonlyMap<RemovalCause, number> };
  /** Ends its timers. */
  close(): void;
}

export interface MembershipOptions {
  readonly clock: Clock;
  /** Longest that an endpoint is kept which is alive but doubted by all of its sources that answer. Default: no limit. */
  readonly absentLimitMs?: number;
  /** Never empty, in order; endpoints carry the health that is decided here. */
  onChange(changes: readonly Change[]): void;
  /** Descriptors have come, or a record's state has changed that `onChange` does not show. */
  onNews?(): void;
}

export interface JoinOptions {
  readonly name: string;
  /** Lower is used first: each rank adds 65,536 to the priority of its endpoints. Default 0. */
  readonly rank?: number;
  /** Endpoints known from before (the last known set): doubted until the source tells them. */
  readonly known?: readonly Endpoint[];
  readonly schemas?: ReadonlyMap<string, Uint8Array>;
  onStatus?(status: SourceStatus): void;
  onWarning?(message: string): void;
}

export interface Joined {
  readonly listener: SourceListener;
  /** The source is not part of the configuration any more: what only it told leaves with `source-gone`. */
  leave(): void;
}

/** What a check says: `unknown` takes back what was said before (the check is switched off). */
export type Verdict =
  | { readonly verdict: 'passing' | 'unknown' }
  /** `pending`: no answer yet, and none of its calls should go there before. */
  | { readonly verdict: 'failing' | 'pending'; readonly why: string };

/** What is known of one endpoint. */
export interface MemberRecord {
  readonly key: string;
  /** With the health decided here, and the priority of its rank. */
  readonly endpoint: Endpoint;
  /** Names of the sources that tell or doubt it, the best first. */
  readonly sources: readonly string[];
  readonly presence: 'told' | 'doubted';
  /** Why it is doubted, failing or draining; empty when it is told and healthy. */
  readonly cause: string;
  /** Wall-clock milliseconds since presence and health are as they are. */
  readonly sinceMs: number;
}

export interface RemovalRecord {
  readonly endpoint: Endpoint;
  readonly source: string;
  readonly cause: RemovalCause;
  readonly atMs: number;
}

export interface SourceRecord {
  readonly name: string;
  readonly rank: number;
  readonly status: SourceStatus;
  readonly endpoints: number;
}
