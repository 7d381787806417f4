import type { Change, Clock, Endpoint, RemovalCause } from '@bascule/core';
import type { SourceListener, SourceStatus } from '../source.ts';

/**
 * Who is there, over all sources: the only place where their words, checks and the last known set are weighed. Sources
 * tell, checks report, and out comes one stream of changes. Pure but for its clock: replays by seed.
 *
 * 1. **One address is one endpoint.** Of those who speak of it the lowest rank counts, then who tells before who
 *    doubts, then the latest start, then who joined first. An instance that sources place at several addresses stands
 *    at one, chosen the same way.
 * 2. **Explicit removals count**, the last one too. That an instance has deregistered, was replaced or was retired
 *    holds for all sources, until the one that said so tells it again or nobody holds it any more. That its lease ran
 *    out, or that it is missing, holds for the source that says so.
 * 3. **Absence and failure together count.** Told and failing stays, as failing. Doubted and alive stays, and gets calls.
 *    Doubted by all and failing goes, but only while all who doubt it are connected: a source that is lost misses
 *    nobody. A doubted endpoint of which no check has spoken stays.
 * 4. **What takes a place comes before what leaves it**, so that a set of one is never empty in between.
 */
export interface Membership {
  /**
   * A place for a source. Its listener is given to `Source.start`. One that takes the place of another may have its name:
   * it joins before that one leaves, so that what both know stays as it is.
   */
  join(options: JoinOptions): Joined;
  /** What a check found of an endpoint; ignored for one that is not there. See health/. */
  report(key: string, verdict: Verdict): void;
  members(): MemberRecord[];
  member(key: string): MemberRecord | undefined;
  /**
   * What each source says, as it says it: without what checks found, and without what was explicitly removed. Of two of
   * one name, the one that joined last.
   */
  known(): Map<string, Endpoint[]>;
  /** The last 100 that left, newest first. */
  removals(): RemovalRecord[];
  /** In the order in which they joined. */
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
  /**
   * Never empty, in order; endpoints carry the health that is decided here. What is told or reported from inside a
   * callback is weighed after it.
   */
  onChange(changes: readonly Change[]): void;
  /**
   * After `onChange`: keys of the records that have come, changed in any way, or left. None when only descriptors have
   * come, or a source stands differently.
   */
  onNews?(keys: readonly string[]): void;
}

export interface JoinOptions {
  readonly name: string;
  /** Lower is used first: each rank adds 65,536 to the priority of its endpoints. Default 0. */
  readonly rank?: number;
  /** Endpoints known from before (the last known set): doubted until the source tells them. */
  readonly known?: readonly Endpoint[];
  /** Descriptors known from before. */
  readonly schemas?: ReadonlyMap<string, Uint8Array>;
  /** `Source.schemaFor`: asked when an endpoint names a digest that is not here, since sources tell each only once. */
  schemaFor?(digest: string): Uint8Array | undefined;
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
  /**
   * All three take it out of balance. `pending`: no answer yet, and none of its calls should go there before.
   * `overloaded`: it says so itself. Only `failing` means that it is not there, and confirms an absence.
   */
  | { readonly verdict: 'failing' | 'pending' | 'overloaded'; readonly why: string };

/** What is known of one endpoint. */
export interface MemberRecord {
  readonly key: string;
  /** With the health decided here, and the priority of its rank. */
  readonly endpoint: Endpoint;
  /** As its source says it. */
  readonly said: Endpoint;
  /** Names of the sources that tell or doubt it, the best first. */
  readonly sources: readonly string[];
  readonly presence: 'told' | 'doubted';
  /** Why it is doubted, failing or draining; empty when it is told and healthy. */
  readonly cause: string;
  /** Its first check has not answered yet: until then it gets no calls, though nothing speaks against it. */
  readonly isPending: boolean;
  /** Wall-clock milliseconds since presence and health are as they are. */
  readonly sinceMs: number;
}

export interface RemovalRecord {
  readonly endpoint: Endpoint;
  /** Who removed it, or whose endpoint took its place. */
  readonly source: string;
  readonly cause: RemovalCause;
  /** Wall-clock milliseconds. */
  readonly atMs: number;
}

export interface SourceRecord {
  readonly name: string;
  readonly rank: number;
  readonly status: SourceStatus;
  /** How many it tells or doubts. */
  readonly endpoints: number;
}
