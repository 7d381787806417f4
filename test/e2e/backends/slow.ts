/**
 * A backend for tests that kill it: Search is idempotent, Vote is not, both take `--delay-ms`. Each call is written to
 * `--log` before it is worked on, so that it is known after kill -9 what was executed, and where.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setTimeout } from 'node:timers/promises';
import { serve } from '@bascule/server';
import { PlacesService } from '../../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';

const { values } = parseArgs({
  options: {
    'instance-id': { type: 'string', default: '' },
    registry: { type: 'string', default: '' },
    'token-file': { type: 'string', default: '' },
    'ttl-ms': { type: 'string', default: '1500' },
    'delay-ms': { type: 'string', default: '300' },
    log: { type: 'string', default: '' },
  },
});
const instanceId = values['instance-id'];
const delayMs = Number(values['delay-ms']);

async function work(callId: string): Promise<void> {
  appendFileSync(values.log, `${instanceId} ${callId}\n`);
  await setTimeout(delayMs);
}

const server = await serve({
  routes(router) {
    router.service(PlacesService, {
      async search({ query }) {
        await work(query);
        return { places: [{ name: instanceId }] };
      },
    });
    router.service(RankingService, {
      async vote({ callId }) {
        await work(callId);
        return { callId, version: instanceId };
      },
    });
  },
  instanceId,
  registry: {
    url: values.registry,
    token: readFileSync(values['token-file'], 'utf8').trim(),
    ttlMs: Number(values['ttl-ms']),
  },
});
await server.registered;
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);
process.stdin.on('end', () => void server.close().then(() => process.exit(0))).resume();
