/** Registers what its standard input says, and goes on until it is killed. Prints one line per event. */
import { createInterface } from 'node:readline';
import { systemClock, type Endpoint } from '@bascule/core';
import { createDial } from '@bascule/client';
import { parseSystemUrl } from '../../src/peers/hosts.ts';
import { openRegistrar } from '../../src/systems.ts';
import type { Access } from './system-under-test.ts';

export interface RegisterOrder {
  readonly access: Access;
  readonly endpoint: Endpoint;
  readonly ttlMs: number;
}

const alive = setInterval(() => undefined, 60_000);
for await (const line of createInterface({ input: process.stdin })) {
  const { access, endpoint, ttlMs } = JSON.parse(line) as RegisterOrder;
  await openRegistrar({
    url: parseSystemUrl(access.url),
    credentials: access.credentials ?? {},
    clock: systemClock,
    dial: createDial(systemClock),
    schema: new Uint8Array(),
    ttlMs,
    endpoint,
    onEvent: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
  });
}
// Whoever started it has ended without killing it.
clearInterval(alive);
process.exit();
