import type { Endpoint, RemovalCause } from '@bascule/core';

/** What one system says, in the words that all sources share. */
export interface Feed {
  /** The whole set as the system sees it now. */
  answer(answer: Answer): void;
  /** One endpoint is there, or says something new of itself. */
  put(endpoint: Endpoint): void;
  /** One endpoint has left, and the system knows it. Counts always, the last one too. */
  remove(key: string, cause: RemovalCause): void;
  /** As `remove`, for every incarnation of an instance. */
  removeInstance(instanceId: string, cause: RemovalCause): void;
  /** The present set is gathered up to now: the session works; `answer` implies it. */
  connected(): void;
  /** See SourceListener.load. */
  load(key: string, utilization: number): void;
  /** See SourceListener.warning. */
  warning(message: string): void;
  schema(digest: string, schema: Uint8Array): void;
}

export interface Answer {
  readonly endpoints: readonly Endpoint[];
  /** Instance ids of records that are there but cannot be read: what is known of them stays as it is. */
  readonly unreadable?: readonly string[];
  /**
   * What it means to be missing here.
   * `same`: the system has a history (a revision, an index), and this answer continues the one before: it left. One
   * answer is enough for up to half of the set; more than half need a second answer.
   * `none`: the system has no history (DNS): a second answer without it is needed, a third one for more than half.
   * `new`: the history began anew (the system lost its memory, or this is the first answer after a loss): doubt only.
   * What is missing from it stays doubted in later answers too, until it is listed again: the new history never had it.
   * `decided`: the answer is the word of whoever decides who is there (a file): whoever is missing has left, all of them too.
   * An empty answer only doubts, whatever other history: that a whole set left at once is for checks to confirm.
   */
  readonly history: 'same' | 'none' | 'new' | 'decided';
  /**
   * What the answer is about, where a source asks several questions (one per service): only what was told last within
   * the same scope can be missing from it, and empty or half is counted within it. Default: one scope for all.
   */
  readonly scope?: string;
}

/** One system, told in its own words. */
export interface SourceDriver {
  /**
   * One session: tells `feed` what it sees until `signal` aborts (then it returns), or until the system or the
   * connection fails (then it throws, with words for a person). It is called again, after a backoff. It must notice a
   * system that hangs without a word by itself.
   */
  follow(feed: Feed, signal: AbortSignal): Promise<void>;
  /** Digests that present endpoints name; descriptors come through `feed.schema`. Left out by systems without any. */
  wantSchemas?(digests: ReadonlySet<string>): void;
  /** Frees what outlives sessions. */
  close(): Promise<void>;
}

/** A file under `sources/`: how its scheme becomes a driver. Throws SpecError for a URL that cannot work. */
export type OpenSource<Options> = (options: Options) => SourceDriver;
