import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createVirtualClock, systemClock, type Change, type Endpoint } from '@bascule/core';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { toEndpointMessage } from '../../src/endpoint-message.ts';
import { createHealthChecks } from '../../src/health/create-health-checks.ts';
import type { CheckSettings } from '../../src/health/health-checks.ts';
import { createMembership } from '../../src/membership/create-membership.ts';
import { createSource } from '../../src/sources/create-source.ts';
import { createRegistryDriver } from '../../src/sources/registry.ts';
import { clientOf, closeAll, connectTo, createEndpoint, onClose, startRegistry } from '../rig.ts';
import { createRealProbes } from './server-rig.ts';

afterEach(closeAll);

/** Who is well must not look dead on a machine with other things to do. */
const CHECK: CheckSettings = {
  probe: { kind: 'by-protocol' },
  intervalMs: 300,
  jitterPercent: 10,
  timeoutMs: 1_500,
  unhealthyThreshold: 3,
  healthyThreshold: 1,
  maxChecksPerInterval: 100,
};
const PROGRAM = `
  import { startHealthServer } from './server-rig.ts';
  const { endpoint } = await startHealthServer(new Map([['', 1]]));
  console.log(endpoint.port);
`;

/** A process of its own with a gRPC server that is well. */
async function startBackend(instanceId: string): Promise<{ endpoint: Endpoint; process: ChildProcess }> {
  const process = spawn(globalThis.process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onClose(async () => {
    if (process.exitCode !== null || process.signalCode !== null) return;
    process.kill('SIGKILL');
    await once(process, 'exit');
  });
  const [line] = (await once(createInterface(process.stdout), 'line')) as [string];
  return { process, endpoint: createEndpoint({ instanceId, port: Number(line) }) };
}

/** The whole way: a registry, its source, a membership and checks. */
function follow(port: number, check: CheckSettings) {
  const log: string[] = [];
  const membership = createMembership({
    clock: systemClock,
    onChange: (changes) => void log.push(...changes.filter(isRemoval).map(({ key, cause }) => `${key} ${cause}`)),
    onNews: (keys) => checks.changed(keys),
  });
  const checks = createHealthChecks({
    membership,
    clock: systemClock,
    probes: createRealProbes(),
    settings: { checkOf: () => check, loadLimitOf: () => undefined },
  });
  const driver = createRegistryDriver({
    transport: connectTo(port),
    clock: systemClock,
    namespace: '',
    schemas: new Map(),
  });
  const source = createSource({ driver, clock: systemClock });
  source.start(membership.join({ name: 'registry' }).listener);
  onClose(async () => {
    await source.close();
    await checks.close();
    membership.close();
  });
  return {
    log,
    state: (key: string) => {
      const record = membership.member(key);
      return record === undefined ? 'gone' : `${record.presence}, ${record.endpoint.health ?? 'healthy'}`;
    },
    cause: (key: string) => membership.member(key)?.cause,
    standing: () => membership.sources()[0]?.status.state,
  };
}

function isRemoval(change: Change): change is Extract<Change, { type: 'remove' }> {
  return change.type === 'remove';
}

async function register(port: number, endpoint: Endpoint): Promise<void> {
  await clientOf(port).register({ endpoint: toEndpointMessage(endpoint), ttl: durationFromMs(60_000) });
}

const eventually = { timeout: 20_000 };

describe('discovery and health together', () => {
  it('drop nobody but who is absent and dead', async () => {
    const backends = await Promise.all([startBackend('a'), startBackend('b'), startBackend('c')]);
    const [a, b, c] = backends.map(({ process }) => process) as [ChildProcess, ChildProcess, ChildProcess];
    // Leases run out only when the test says so.
    const first = await startRegistry({ clock: createVirtualClock(1) });
    for (const { endpoint } of backends) await register(first.port, endpoint);
    const { state, cause, standing, log } = follow(first.port, CHECK);
    for (const key of ['a#1', 'b#1', 'c#1']) await expect.poll(() => state(key), eventually).toBe('told, healthy');

    a.kill('SIGSTOP');
    await expect.poll(() => state('a#1'), eventually).toBe('told, failing');
    expect(cause('a#1')).toBe('no answer within 1500 ms');
    a.kill('SIGCONT');
    await expect.poll(() => state('a#1'), eventually).toBe('told, healthy');

    // A registry without its memory.
    await first.kill();
    await expect.poll(standing, eventually).toBe('stale');
    const second = await startRegistry({ clock: createVirtualClock(2), port: first.port });
    await expect.poll(standing, eventually).toBe('connected');
    await expect.poll(() => state('a#1'), eventually).toBe('doubted, healthy');
    a.kill('SIGKILL');
    await expect.poll(() => state('a#1'), eventually).toBe('gone');
    expect(log).toEqual(['a#1 absent-and-failing']);
    await register(first.port, backends[1].endpoint);
    await expect.poll(() => state('b#1'), eventually).toBe('told, healthy');
    expect(state('c#1')).toBe('doubted, healthy');

    // No registry at all: nobody leaves, whatever happens to them.
    await second.kill();
    await expect.poll(standing, eventually).toBe('stale');
    b.kill('SIGKILL');
    c.kill('SIGKILL');
    await expect.poll(() => state('b#1'), eventually).toBe('told, failing');
    await expect.poll(() => state('c#1'), eventually).toBe('doubted, failing');
    expect(log).toEqual(['a#1 absent-and-failing']);
  });

  it('find by watching who is dead, and who hangs', async () => {
    const backends = await Promise.all([startBackend('a'), startBackend('b')]);
    const [a, b] = backends.map(({ process }) => process) as [ChildProcess, ChildProcess];
    const { port } = await startRegistry({ clock: createVirtualClock(3) });
    for (const { endpoint } of backends) await register(port, endpoint);
    const watch = { kind: 'grpc', service: undefined, watch: true } as const;
    const { state, cause } = follow(port, { ...CHECK, probe: watch, intervalMs: 2_000 });
    for (const key of ['a#1', 'b#1']) await expect.poll(() => state(key), eventually).toBe('told, healthy');
    a.kill('SIGSTOP');
    await expect.poll(() => state('a#1'), eventually).toBe('told, failing');
    expect(cause('a#1')).toBe('no answer within 1500 ms');
    a.kill('SIGCONT');
    await expect.poll(() => state('a#1'), eventually).toBe('told, healthy');
    b.kill('SIGKILL');
    await expect.poll(() => state('b#1'), eventually).toBe('told, failing');
    await expect.poll(() => state('a#1'), eventually).toBe('told, healthy');
  });
});
