import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createDial } from '@bascule/client';
import { endpointKey, systemClock, type Endpoint } from '@bascule/core';
import { startRelay } from '@bascule/testing/servers';
import { expect } from 'vitest';
import type { EndpointUpdate, RegistrarEvent } from '../../src/registrar.ts';
import { parseSystemUrl } from '../../src/peers/hosts.ts';
import { openRegistrar, openSource } from '../../src/systems.ts';
import { createCountingClock, type CountingClock } from './counting-clock.ts';
import { DIGEST, SCHEMA, SERVICE } from './endpoints.ts';
import { record, type Recorded } from './recorder.ts';
import type { RegisterOrder } from './registering-process.ts';
import type { Access, RelayUnderTest, Scope, SystemUnderTest, Traits } from './system-under-test.ts';

/** One case's world. Whatever it opens is closed with it. */
export interface Scene {
  readonly scope: Scope;
  readonly traits: Traits;
  readonly patienceMs: number;
  /** The server, put right again at the end of the case. Throws where there is none. */
  readonly server: NonNullable<SystemUnderTest['server']>;
  /** How the server itself is reached. */
  readonly access: Access;
  follow(options?: { access?: Access; clock?: CountingClock }): Promise<Recorded>;
  /** Makes an endpoint known, by a registrar or by the system's own writer. Resolves when it is. */
  register(endpoint: Endpoint, options?: RegisterOptions): Promise<Registered>;
  /** As `register`, without waiting. */
  begin(endpoint: Endpoint, options?: RegisterOptions): Promise<Registered>;
  /** A process of its own that registers. Resolves when it has. */
  spawnRegistering(endpoint: Endpoint, ttlMs: number): Promise<{ kill(): Promise<void> }>;
  relay(): Promise<RelayUnderTest>;
  /** Waits until exactly these are told, as the system tells them. */
  sees(seen: Recorded, endpoints: readonly Endpoint[]): Promise<void>;
  until(what: string, isSo: () => boolean): Promise<void>;
  keyOf(endpoint: Endpoint): string;
  close(): Promise<void>;
}

/** One case. */
export type Run = (scene: Scene) => Promise<void>;

export interface RegisterOptions {
  /** Default: the server's own. */
  readonly access?: Access;
  /** Default 60,000 ms: no case that does not ask for it sees a lease run out. */
  readonly ttlMs?: number;
}

export interface Registered {
  readonly events: readonly RegistrarEvent[];
  update(update: EndpointUpdate): Promise<void>;
  /** Deregisters, or erases. */
  remove(): Promise<void>;
}

const LONG_TTL_MS = 60_000;
const POLL = { interval: 20 };

export async function createScene(system: SystemUnderTest, name: string, traits: Traits): Promise<Scene> {
  const scope = await system.scope(name);
  const opened: (() => Promise<unknown>)[] = [];
  const patienceMs = traits.patienceMs ?? 45_000;
  const seenAs = (endpoint: Endpoint): Endpoint => traits.seenAs?.(endpoint) ?? endpoint;
  // Asked for anew each time: what is listed in the URL itself changes it.
  const accessNow = (): Access => scope.access(system.server?.port ?? 0);
  const server = system.server === undefined ? undefined : mendAtEnd(system.server, opened);

  async function begin(endpoint: Endpoint, options: RegisterOptions = {}): Promise<Registered> {
    const { writer } = scope;
    if (writer !== undefined) {
      await writer.write(endpoint);
      let now = endpoint;
      const update = (update: EndpointUpdate): Promise<void> => writer.write((now = { ...now, ...update }));
      return { events: [], update, remove: () => writer.erase(endpoint) };
    }
    const events: RegistrarEvent[] = [];
    const { url, credentials = {} } = options.access ?? accessNow();
    const registrar = await openRegistrar({
      url: parseSystemUrl(url),
      credentials,
      clock: systemClock,
      dial: createDial(systemClock),
      schema: endpoint.schemaDigest === DIGEST ? SCHEMA : new Uint8Array(),
      ttlMs: options.ttlMs ?? LONG_TTL_MS,
      endpoint,
      onEvent: (event) => void events.push(event),
    });
    opened.push(() => registrar.close());
    return {
      events,
      update: (update) => Promise.resolve(registrar.update(update)),
      remove: () => registrar.close(),
    };
  }

  async function until(what: string, isSo: () => boolean): Promise<void> {
    await expect.poll(isSo, { timeout: patienceMs, message: what, ...POLL }).toBe(true);
  }

  return {
    scope,
    traits,
    patienceMs,
    get access() {
      return accessNow();
    },
    get server() {
      if (server === undefined) throw new Error('there is no server: say so in notApplicable');
      return server;
    },
    begin,
    async register(endpoint, options) {
      const registered = await begin(endpoint, options);
      if (scope.writer === undefined) {
        const last = (): string => JSON.stringify(registered.events.at(-1) ?? 'nothing');
        await expect.poll(last, { timeout: patienceMs, ...POLL }).toContain('"registered"');
      }
      return registered;
    },
    async follow(options = {}) {
      const clock = options.clock ?? createCountingClock();
      const { url, credentials = {}, defaults, env = {}, baseDir = '/' } = options.access ?? accessNow();
      const source = await openSource({
        url: parseSystemUrl(url),
        credentials,
        clock,
        dial: createDial(clock),
        defaults: { services: [SERVICE], protocol: 'grpc', codecs: ['proto'], schemaDigest: '', ...defaults },
        env,
        baseDir,
        schemas: new Map(),
      });
      opened.push(() => source.close());
      return record(source);
    },
    async spawnRegistering(endpoint, ttlMs) {
      const child = startRegistering({ access: accessNow(), endpoint, ttlMs });
      opened.push(() => child.kill());
      await until(`${endpoint.instanceId} is registered by its process`, () => child.isRegistered());
      return child;
    },
    async relay() {
      const { port } = server ?? missing('a server to stand in front of');
      const relay = await (system.startRelay?.(port) ?? startRelay(port));
      opened.push(() => relay.close());
      return relay;
    },
    async sees(seen, endpoints) {
      const expected = endpoints.map(seenAs).sort((a, b) => (endpointKey(a) < endpointKey(b) ? -1 : 1));
      await expect.poll(() => seen.told(), { timeout: patienceMs, ...POLL }).toEqual(expected);
    },
    until,
    keyOf: (endpoint) => endpointKey(seenAs(endpoint)),
    async close() {
      for (const close of opened.splice(0).toReversed()) await close();
    },
  };
}

function missing(what: string): never {
  throw new Error(`this needs ${what}: say in notApplicable why there is none`);
}

/** A case that fails in the middle must not fail those behind it. */
function mendAtEnd(
  server: NonNullable<SystemUnderTest['server']>,
  opened: (() => Promise<unknown>)[],
): NonNullable<SystemUnderTest['server']> {
  let state: 'running' | 'paused' | 'dead' = 'running';
  opened.push(async () => {
    if (state === 'paused') server.resume();
    if (state === 'dead') await server.restart();
  });
  return {
    port: server.port,
    pause() {
      state = 'paused';
      server.pause();
    },
    resume() {
      state = 'running';
      server.resume();
    },
    async kill() {
      state = 'dead';
      await server.kill();
    },
    async restart(options) {
      state = 'dead';
      await server.restart(options);
      state = 'running';
    },
  };
}

function startRegistering(order: RegisterOrder): { kill(): Promise<void>; isRegistered(): boolean } {
  const program = fileURLToPath(new URL('registering-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let isRegistered = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    isRegistered ||= (JSON.parse(line) as RegistrarEvent).type === 'registered';
  });
  child.stdin.write(`${JSON.stringify(order)}\n`);
  return {
    isRegistered: () => isRegistered,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
