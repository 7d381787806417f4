import { Auth, KV, Lease, Watch } from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import { Code, ConnectError, createClient, type CallOptions, type Client } from '@connectrpc/connect';
import type { ClosableTransport, Credentials, SystemOptions } from '../../spec.ts';
import { callWithin } from '../../waiting.ts';
import { refuseUnusedTls } from '../hosts.ts';
import { EtcdError } from './errors.ts';
import type { EtcdLocation } from './location.ts';

const CALL_TIMEOUT_MS = 5_000;

/** The services of one member. */
export interface EtcdMember {
  readonly kv: Client<typeof KV>;
  readonly lease: Client<typeof Lease>;
  readonly watch: Client<typeof Watch>;
}

type Use<T> = (member: EtcdMember, options: CallOptions) => Promise<T>;

/** Calls etcd, one member at a time, with a token where one is needed. */
export interface EtcdClient {
  /**
   * Runs `use` within 5 s. Throws EtcdError; when the member cannot be reached or is without a leader,
   * the next call goes to the next one.
   */
  call<T>(signal: AbortSignal, use: Use<T>): Promise<T>;
  /** As `call`, for streams: without a limit of time. */
  stream<T>(signal: AbortSignal, use: Use<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * A client as the options of a system say. Nothing is connected yet. Throws SpecError. The library etcd3 has had no
 * release since 2023 and brings grpc-js along: etcd is spoken to over our own transport.
 */
export function openEtcdClient(options: SystemOptions, { servers }: Pick<EtcdLocation, 'servers'>): EtcdClient {
  const { url, clock, credentials } = options;
  refuseUnusedTls(url, credentials, 'etcd+https');
  // The token of credentials is etcd's own, which goes into a field of its own, and not into "authorization".
  const { tls } = credentials;
  const ways = new Map<string, ClosableTransport>();
  let turn = Math.floor(clock.random() * servers.length);
  let token = credentials.username === undefined ? credentials.token : undefined;

  const current = (): string => servers[turn % servers.length] as string;

  function wayTo(server: string): ClosableTransport {
    const way = ways.get(server) ?? options.dial(server, tls === undefined ? {} : { tls });
    ways.set(server, way);
    return way;
  }

  async function authenticate(way: ClosableTransport, signal: AbortSignal): Promise<string | undefined> {
    const { username, password = '' } = credentials;
    if (username === undefined || token !== undefined) return token;
    try {
      const request = { name: username, password };
      token = (await createClient(Auth, way).authenticate(request, { signal })).token;
    } catch (error) {
      if (!isWithoutAuth(error)) throw error;
      token = NO_TOKEN;
    }
    return token;
  }

  async function attempt<T>(server: string, signal: AbortSignal, use: Use<T>): Promise<T> {
    const way = wayTo(server);
    const known = await callWithin({ clock, timeoutMs: CALL_TIMEOUT_MS, signal }, (limited) =>
      authenticate(way, limited),
    );
    // Without it a member that has lost the others would go on telling what it knew.
    const headers = { hasleader: 'true', ...(known !== undefined && known !== NO_TOKEN && { token: known }) };
    const member = { kv: createClient(KV, way), lease: createClient(Lease, way), watch: createClient(Watch, way) };
    return use(member, { signal, headers });
  }

  async function stream<T>(signal: AbortSignal, use: Use<T>): Promise<T> {
    const server = current();
    try {
      return await attempt(server, signal, use);
    } catch (error) {
      if (!isStaleToken(error, credentials)) throw fail(error, server, signal);
      token = undefined;
      return await attempt(server, signal, use).catch((again: unknown) => {
        throw fail(again, server, signal);
      });
    }
  }

  function fail(error: unknown, server: string, signal: AbortSignal): EtcdError {
    // Connect says "canceled" for every abort; the reason tells a person more.
    const cause: unknown = signal.aborted ? signal.reason : error;
    const words = new EtcdError(cause, server, credentials);
    // Once for all calls that lost it together: two steps could lead back to it.
    if (MEMBERS_OWN.has(words.code) && server === current()) turn++;
    return words;
  }

  return {
    stream,
    call: (signal, use) =>
      stream(signal, (member, options) =>
        callWithin({ clock, timeoutMs: CALL_TIMEOUT_MS, signal }, (limited) =>
          use(member, { ...options, signal: limited }),
        ),
      ),
    async close() {
      await Promise.all([...ways.values()].map((way) => way.close()));
    },
  };
}

/** What another member may do better. */
const MEMBERS_OWN: ReadonlySet<Code> = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Unknown]);

/** Of an etcd where everybody may do everything. */
const NO_TOKEN = '';

/** Tokens end when nobody uses them for five minutes, when a member restarts, and when authentication is turned on. */
function isStaleToken(error: unknown, { username }: Credentials): boolean {
  const { rawMessage } = ConnectError.from(error);
  return username !== undefined && /invalid auth token|user name is empty/.test(rawMessage);
}

function isWithoutAuth(error: unknown): boolean {
  return ConnectError.from(error).rawMessage.includes('authentication is not enabled');
}
