import type { Endpoint, RemovalCause } from '@bascule/core';
import type { RealServer, Relay } from '@bascule/testing/servers';
import type { Credentials, EndpointDefaults } from '../../src/spec.ts';

/** What every system owes. The names are the rows of the grid in the README. */
export const CASES = [
  'an endpoint is seen as it was registered',
  'an update is seen',
  'whoever stops renewing goes',
  'whoever is killed goes',
  'whoever deregisters goes at once',
  'the last one may go as well',
  'registering twice changes nothing',
  'an older incarnation does not win',
  'a restarted server removes nothing',
  'a server restarted empty removes nothing',
  'a dead server removes nothing',
  'a paused server removes nothing',
  'a cut connection is caught up',
  'a stalled connection is noticed',
  '1,000 instances come and go',
  'wrong credentials are told in words',
  'garbage stops nobody else',
  'a known record that turns to garbage stays',
  'nothing is left behind',
] as const;

export type CaseName = (typeof CASES)[number];

/** How a source or a registrar is opened. */
export interface Access {
  readonly url: string;
  readonly credentials?: Credentials;
  /** What a source assumes of records that do not say it. Default: the service of the suite, grpc, proto. */
  readonly defaults?: Partial<EndpointDefaults>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly baseDir?: string;
}

/** A system, ready to be played with. One for a whole suite. */
export interface SystemUnderTest {
  /** Undefined where there is none (a file). */
  readonly server?: Pick<RealServer, 'port' | 'pause' | 'resume' | 'kill' | 'restart'>;
  /** Stands between a client and the server. Default: a relay of TCP. */
  startRelay?(port: number): Promise<RelayUnderTest>;
  /** Something of its own in which one case plays: a namespace, a prefix, a folder. `name` is a short word. */
  scope(name: string): Scope | Promise<Scope>;
  close(): Promise<void>;
}

export type RelayUnderTest = Pick<Relay, 'port' | 'connections' | 'cut' | 'restore' | 'stall' | 'unstall' | 'close'>;

export interface Scope {
  /** The system at 127.0.0.1:`port`, which is the server's or a relay's. 0 where there is no server. */
  access(port: number): Access;
  /** With credentials that do not suffice. It may name another server, which asks for some. */
  wrongAccess?(): Promise<Access>;
  /** The system's own writer, where endpoints do not register themselves. Resolves when it is written. */
  readonly writer?: Writer;
  /** Writes a record that nobody can read beside the others. Resolves with what the warning must name. */
  writeGarbage?(): Promise<string>;
  /** Makes the record of this endpoint, which is known, unreadable. Resolves with what the warning must name. */
  spoil?(endpoint: Endpoint): Promise<string>;
  /** Makes many endpoints known, faster than one registrar each. */
  fill?(endpoints: readonly Endpoint[]): Promise<{ erase(endpoints: readonly Endpoint[]): Promise<void> }>;
}

export interface Writer {
  write(endpoint: Endpoint): Promise<void>;
  erase(endpoint: Endpoint): Promise<void>;
}

/** Where systems differ. What a system cannot have stands in `notApplicable`, with the reason. */
export interface Traits {
  readonly notApplicable?: Readonly<Partial<Record<CaseName, string>>>;
  /** What a source sees of an endpoint that was registered. Default: all of it. */
  seenAs?(endpoint: Endpoint): Endpoint;
  /** What an instance can change of itself. Default: weight, labels and health. */
  readonly updates?: readonly ('weight' | 'labels' | 'health')[];
  /** Of registrations whose end is waited for. Default 2,000 ms. */
  readonly ttlMs?: number;
  /** Cause of who deregisters. Default `deregistered`. */
  readonly deregisteredAs?: RemovalCause;
  /**
   * Cause of whose lease runs out, or `doubt` where the system does not tell, or `failing` where it says that first and
   * removes it much later. Default `lease-expired`.
   */
  readonly expiredAs?: RemovalCause | 'doubt' | 'failing';
  /**
   * Whether a removal is the system's own word, or read from an answer that lacks somebody: then the last one, and more
   * than half at once, are only doubted. Default `told`.
   */
  readonly removal?: 'told' | 'inferred';
  /** How long anything may take that needs no time of its own. Default 45,000 ms. */
  readonly patienceMs?: number;
  /** How much faster time runs for a source that must notice a stalled connection. Default 10. */
  readonly stallSpeed?: number;
}
