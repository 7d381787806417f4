import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getField, systemClock, type Endpoint, type RequestHead, type Service } from '@bascule/core';
import { createRegistry, registerWithAll, type Registrar } from '@bascule/discovery';
import { createKit } from '@bascule/kit';
import { listen } from '@bascule/wire';
import { Code } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDial, type MirrorDiff } from '../../src/index.ts';
import { endpointOf } from '@bascule/testing';
import { connect } from '../support/calls.ts';
import { failing, FleetMember } from '../support/fleet.ts';
import { seeError } from '../support/scenarios.ts';
import { TestService } from '../support/schema.ts';
import { startTraffic } from '../support/traffic.ts';

/** A registry, and servers that register with it. */
async function startScene() {
  const registry = createRegistry({ clock: systemClock });
  const kit = createKit({ routes: registry.routes });
  const heads: RequestHead[] = [];
  const service: Service = (head, reply) => {
    heads.push(head);
    return kit.service(head, reply);
  };
  const listener = await listen({ host: '127.0.0.1', port: 0, service, clock: systemClock });
  const url = `http://127.0.0.1:${listener.port}`;
  const members: FleetMember[] = [];
  const registrars: Registrar[] = [];

  async function join(instanceId: string, overrides: Partial<Endpoint> = {}) {
    const member = await new FleetMember().start();
    const services = [TestService.typeName];
    const registrar = await registerWithAll({
      systems: [{ url, credentials: {}, ttlMs: 5_000 }],
      endpoint: endpointOf({ instanceId, port: member.port, services, ...overrides }),
      schema: new Uint8Array(0),
      clock: systemClock,
      dial: createDial(systemClock),
    });
    members.push(member);
    registrars.push(registrar);
    await registrar.registered;
    return { member, leave: () => registrar.close() };
  }

  return {
    url,
    join,
    /** Of calls to the registry. */
    heads,
    stopRegistry: () => listener.close(0),
    async [Symbol.asyncDispose]() {
      await Promise.all(registrars.map((registrar) => registrar.close()));
      await Promise.all(members.map((member) => member.kill()));
      registry.close();
      await listener.close(0);
    },
  };
}

describe('calls to who is registered', () => {
  it('all go well while instances come and go', async () => {
    await using scene = await startScene();
    const first = await scene.join('first');
    await using ours = connect(undefined, { discovery: { sources: [scene.url] } });
    const traffic = startTraffic(ours, 8);
    await traffic.more(20);
    const second = await scene.join('second');
    await traffic.until(() => second.member.calls > 20);
    await first.leave();
    await first.member.drain();
    await traffic.more(50);
    const third = await scene.join('third');
    await traffic.until(() => third.member.calls > 20);
    await second.leave();
    await second.member.drain();
    const { calls } = second.member;
    await traffic.more(100);
    expect(second.member.calls).toBe(calls);
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
  });

  it('go to those that answer the service, or to the service that is named', async () => {
    await using scene = await startScene();
    await scene.join('other', { services: ['other.v1.OtherService'] });
    await using strict = connect(undefined, { discovery: { sources: [scene.url] }, connectWaitMs: 1_000 });
    expect(await seeError(strict.client.say({ value: 'a' }))).toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('nobody is known who answers it'),
    });
    const discovery = { sources: [scene.url], service: 'other.v1.OtherService' };
    await using named = connect(undefined, { discovery });
    expect((await named.client.say({ value: 'a' })).value).toBe('a');
  });

  it('are copied to another service, and their answers compared', async () => {
    await using scene = await startScene();
    const main = await scene.join('main');
    const shadow = await scene.join('shadow', { services: ['shadow.v1.TestService'] });
    shadow.member.before = failing(100, () => 0, Code.NotFound);
    const found = Promise.withResolvers<[string, MirrorDiff]>();
    const mirror = { cluster: 'shadow.v1.TestService', percent: 100, diff: true };
    await using ours = connect(undefined, {
      discovery: { sources: [scene.url] },
      policy: ({ method }) => (method === 'Say' ? { mirror } : {}),
      onMirrorDiff: ({ method }, diff) => found.resolve([method, diff]),
    });
    expect((await ours.client.say({ value: 'b' })).value).toBe('b');
    const [method, diff] = await found.promise;
    expect([method, diff.kind]).toEqual(['Say', 'status']);
    await ours.client.blob({ value: new Uint8Array(9) });
    expect([main.member.calls, shadow.member.calls]).toEqual([2, 1]);
  });

  it('begin in a handler, and what follows the registry does not end with it', async () => {
    await using scene = await startScene();
    await scene.join('only');
    await using inner = connect(undefined, { discovery: { sources: [scene.url] } });
    const before = scene.heads.length;
    const kit = createKit({
      routes: (router) => {
        router.service(TestService, { say: ({ value }) => inner.client.say({ value }) });
      },
    });
    const listener = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
    onTestFinished(() => listener.close(0));
    await using ours = connect(`http://127.0.0.1:${listener.port}`);
    await ours.client.say({ value: 'a' }, { timeoutMs: 10_000 });
    const asked = scene.heads.slice(before);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.map(({ fields }) => getField(fields, 'grpc-timeout'))).toEqual(asked.map(() => undefined));
  });

  it('go on when the registry is gone', async () => {
    await using scene = await startScene();
    await scene.join('kept');
    await using ours = connect(undefined, { discovery: { sources: [scene.url] } });
    await ours.client.say({ value: 'a' });
    await scene.stopRegistry();
    for (let i = 0; i < 20; i++) await ours.client.say({ value: 'b' });
  });

  it('begin while the registry is gone, with what was known last', async () => {
    await using scene = await startScene();
    const lastKnownDir = await mkdtemp(join(tmpdir(), 'bascule-known-'));
    onTestFinished(() => rm(lastKnownDir, { recursive: true }));
    const kept = await scene.join('kept');
    const discovery = { sources: [scene.url], lastKnownDir };
    const before = connect(undefined, { discovery });
    await before.client.say({ value: 'a' });
    await before.transport.close();
    await scene.stopRegistry();
    await using after = connect(undefined, { discovery });
    const { calls } = kept.member;
    for (let i = 0; i < 20; i++) await after.client.say({ value: 'b' });
    expect(kept.member.calls).toBe(calls + 20);
    // Who closes without a word of the registry has nothing newer to keep.
    await after.transport.close();
    await using again = connect(undefined, { discovery });
    await again.client.say({ value: 'c' });
  });

  it('are not stopped by a folder that cannot be written', async () => {
    await using scene = await startScene();
    await scene.join('only');
    const warnings: string[] = [];
    const lastKnownDir = '/dev/null/nowhere';
    const onWarning = (message: string): void => void warnings.push(message);
    const ours = connect(undefined, { discovery: { sources: [scene.url], lastKnownDir, onWarning } });
    await ours.client.say({ value: 'a' });
    await ours.transport.close();
    expect(warnings[0]).toContain('cannot be kept');
  });
});
