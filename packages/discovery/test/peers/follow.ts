import { createDial } from '@bascule/client';
import { systemClock, type Clock, type Endpoint } from '@bascule/core';
import { expect } from 'vitest';
import type { RegistrarEvent, Registrar } from '../../src/registrar.ts';
import type { Credentials, EndpointDefaults } from '../../src/spec.ts';
import { parseSystemUrl } from '../../src/peers/hosts.ts';
import { openRegistrar, openSource } from '../../src/systems.ts';
import { SERVICE } from '../contract/endpoints.ts';
import { record, type Recorded } from '../contract/recorder.ts';

export interface FollowOptions {
  readonly credentials?: Credentials;
  readonly clock?: Clock;
  readonly defaults?: Partial<EndpointDefaults>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly baseDir?: string;
}

/** Opens what one test needs, and closes it behind the test. */
export class Opened {
  readonly #opened: (() => Promise<unknown>)[] = [];

  add<T extends { close(): Promise<unknown> }>(thing: T): T {
    this.#opened.push(() => thing.close());
    return thing;
  }

  async follow(url: string, options: FollowOptions = {}): Promise<Recorded> {
    const { clock = systemClock, credentials = {}, defaults, env = {}, baseDir = '/' } = options;
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
    return record(this.add(source));
  }

  /** Begins to register; `events` grow. */
  async register(
    url: string,
    endpoint: Endpoint,
    options: { credentials?: Credentials; ttlMs?: number; schema?: Uint8Array } = {},
  ): Promise<{ registrar: Registrar; events: RegistrarEvent[] }> {
    const events: RegistrarEvent[] = [];
    const registrar = await openRegistrar({
      url: parseSystemUrl(url),
      credentials: options.credentials ?? {},
      clock: systemClock,
      dial: createDial(systemClock),
      schema: options.schema ?? new Uint8Array(),
      ttlMs: options.ttlMs ?? 60_000,
      endpoint,
      onEvent: (event) => void events.push(event),
    });
    this.add(registrar);
    return { registrar, events };
  }

  async closeAll(): Promise<void> {
    for (const close of this.#opened.splice(0).toReversed()) await close();
  }
}

const POLL = { timeout: 15_000, interval: 20 };

/** Waits until exactly these instances are there, doubted or not. */
export async function has(seen: Recorded, ids: readonly string[]): Promise<void> {
  await expect.poll(() => seen.endpoints().map(({ instanceId }) => instanceId), POLL).toEqual(ids);
}

export async function until(what: string, isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { ...POLL, message: what }).toBe(true);
}
