import { join } from 'node:path';
import { startRole } from '../process.ts';
import { nowMs, wait } from '../time.ts';
import type { WorkContext } from '../work.ts';
import { startDiscoveringGateway } from './gateway.ts';
import { REGISTRY } from './systems.ts';

const CALLERS = 16;
const PAUSE_MS = 16;
const CONCURRENCY = 16;

/** Every one of many real backends is replaced by a newer process of itself, under traffic. Nobody may notice. */
export async function measureRollingRestart(context: WorkContext, backends: number): Promise<string[]> {
  const { folder, report, print } = context;
  const system = await REGISTRY.start(folder);
  const gateway = await startDiscoveringGateway(folder, system);
  const options = { url: system.url, credentials: system.credentials, ttlMs: 15_000, propagationMs: 500 };
  const servers = startRole('discovery-backends', options, { logFile: join(folder, 'rolling.log') });
  const work = `rolling restart of ${backends} backends under calls`;
  try {
    await servers.ready;
    await servers.ask(`start ${backends} ${CONCURRENCY}`);
    const isWhole = (endpoints: readonly { state: string }[]): boolean =>
      endpoints.length === backends && endpoints.every(({ state }) => state === 'ready');
    await gateway.until(isWhole);
    gateway.callers.start(CALLERS, PAUSE_MS);
    await wait(2_000);
    const startedMs = nowMs();
    await servers.ask(`restart ${CONCURRENCY}`);
    const endedMs = await gateway.until(isWhole);
    await wait(2_000);
    const calls = await gateway.callers.stop();
    const faults = calls.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
    const add = (metric: string, unit: string, value: number): void =>
      report.add({ work, subject: 'registry', metric, unit }, [value]);
    add('time', 's', (endedMs - startedMs) / 1000);
    add('calls', '', calls.length);
    add('answered by', 'addresses', new Set(calls.map(({ endpoint }) => endpoint)).size);
    add('tried more than once', '', calls.filter(({ attempts }) => attempts > 1).length);
    add('failed', '', faults.length);
    print(`rolling restart: ${faults.length} of ${calls.length} calls failed`);
    return faults.length === 0
      ? []
      : [`rolling restart: ${faults.length} calls failed: ${[...new Set(faults)].join('; ')}`];
  } finally {
    await servers.kill();
    await gateway.stop();
    await system.stop();
  }
}
