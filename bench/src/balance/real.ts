import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlacesService } from '@bascule/app-backend/gen/demo/places/v1/places_pb.ts';
import { schemaOf } from '@bascule/schema';
import { SUBJECT_CORE } from '../process.ts';
import { startFaultBackend, type FaultBackend } from '../resilience/fault-backend.ts';
import type { Fault } from '../resilience/faults.ts';
import { playRound, type Round } from '../resilience/round.ts';
import { startBasculeGateway } from '../subjects/bascule-gateway.ts';
import { wait } from '../time.ts';

const SEED = 20_261_121;
const BACKENDS = 6;
const PER_SECOND = 200;
const DELAY_MS = { min: 3, max: 9 };
const STALL = { everyMs: 2_000, forMs: 300 };

/** As simulated: one ten times as slow, one that stands still now and then, one that fails 30 % in trailers. */
const UNLIKE: Fault = {
  name: 'unlike',
  about: 'backends that are not alike',
  isPartial: true,
  async play(backends, forMs) {
    const [slow, stalling, failing] = backends as readonly [FaultBackend, FaultBackend, FaultBackend];
    await slow.set({ slowness: 10 });
    await failing.set({ failShare: 0.3 });
    for (let atMs = 0; atMs < forMs; atMs += STALL.everyMs) {
      stalling.pause();
      await wait(STALL.forMs);
      stalling.resume();
      await wait(STALL.everyMs - STALL.forMs);
    }
    await slow.set({});
    await failing.set({});
  },
};

export const REAL_SHAPE = `${BACKENDS} backends in processes of their own, ${PER_SECOND} calls a second in an open loop through one gateway, without retries`;

/** Policies as the gateway's configuration names them. */
export const REAL_POLICIES = ['round-robin', 'random', 'least-request', 'least-response-time', 'peak-ewma'] as const;

let drivers = 500;

/** One policy of a real gateway over real backends. */
export async function playReal(folder: string, policy: string, forMs: number): Promise<Round> {
  const driver = ++drivers;
  const home = join(folder, `balance-${driver}`);
  await mkdir(home);
  const start = (_: unknown, i: number): Promise<FaultBackend> =>
    startFaultBackend(home, { seed: SEED + i, delayMs: DELAY_MS });
  const backends = await Promise.all(Array.from({ length: BACKENDS }, start));
  await writeFile(join(home, 'places.binpb'), schemaOf([PlacesService]));
  const config = {
    discovery: {
      endpoints: backends.map(({ port }) => ({
        address: `127.0.0.1:${port}`,
        services: [PlacesService.typeName],
        schema: 'places.binpb',
      })),
    },
    // What a policy does with failures would be hidden by another attempt.
    calls: { retry: { maxAttempts: 1 } },
    services: {
      [PlacesService.typeName]: { policy: `POLICY_${policy.replaceAll('-', '_').toUpperCase()}` },
    },
    observe: { accessLog: 'off' },
  };
  const gateway = await startBasculeGateway({ home, config, core: SUBJECT_CORE });
  try {
    return await playRound({
      folder: home,
      port: gateway.port,
      backends,
      fault: UNLIKE,
      driver,
      perSecond: PER_SECOND,
      timeoutMs: 5_000,
      beforeMs: 1_000,
      faultMs: forMs,
      afterMs: 200,
    });
  } finally {
    await gateway.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  }
}
