import { createRandom, type CallPolicy } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { connect } from '../support/calls.ts';
import { failing, startFleet, staticUrl, type FleetMember } from '../support/fleet.ts';
import { startTraffic, type Traffic } from '../support/traffic.ts';

/** Four servers under load. What a test does to them must fail no call, since all may be repeated. */
async function startScene(policy: CallPolicy = {}) {
  const fleet = await startFleet(4);
  const ours = connect(undefined, { discovery: { sources: [staticUrl(fleet)] }, connectWaitMs: 5_000, policy });
  const traffic = startTraffic(ours, 16);
  await traffic.until(() => fleet.every(({ calls }) => calls > 10));
  return {
    fleet,
    traffic,
    async [Symbol.asyncDispose]() {
      await traffic.stop();
      await ours.transport.close();
      await fleet[Symbol.asyncDispose]();
    },
  };
}

const total = (fleet: readonly FleetMember[]): number => fleet.reduce((sum, { calls }) => sum + calls, 0);

/** Back at its place, and called again. */
async function returned(member: FleetMember, traffic: Traffic): Promise<void> {
  const { calls } = member;
  await member.start();
  await traffic.until(() => member.calls > calls + 5);
}

describe('calls that may be repeated all go well', () => {
  it('when servers are killed and started again, one after the other', async () => {
    await using scene = await startScene();
    for (const member of scene.fleet.slice(0, 2)) {
      await member.kill();
      await scene.traffic.more(100);
      await returned(member, scene.traffic);
    }
    expect(scene.traffic.failures).toEqual([]);
  });

  it('when each server drains by GOAWAY and is started again', async () => {
    await using scene = await startScene();
    for (const member of scene.fleet) {
      await member.drain();
      await returned(member, scene.traffic);
    }
    expect(scene.traffic.failures).toEqual([]);
  });

  it('when one fails 30 % of its calls in trailers, within the budget for repeats', async () => {
    await using scene = await startScene();
    const random = createRandom(3);
    (scene.fleet[0] as FleetMember).before = failing(30, random);
    const [before, done] = [total(scene.fleet), scene.traffic.ok()];
    await scene.traffic.more(1_000);
    expect(scene.traffic.failures).toEqual([]);
    expect((total(scene.fleet) - before) / (scene.traffic.ok() - done)).toBeLessThan(1.2);
  });

  it('when one is slow, which then gets less to do', async () => {
    await using scene = await startScene();
    const slow = scene.fleet[0] as FleetMember;
    const released = Promise.withResolvers<void>();
    // Each of its calls lasts as long as a hundred of all.
    slow.before = () => Promise.race([scene.traffic.more(100), released.promise]);
    const [before, ofSlow] = [total(scene.fleet), slow.calls];
    await scene.traffic.more(1_000);
    const share = (slow.calls - ofSlow) / (total(scene.fleet) - before);
    released.resolve();
    expect(scene.traffic.failures).toEqual([]);
    // A quarter would be its part.
    expect(share).toBeLessThan(0.15);
  });

  it.each<[string, CallPolicy]>([
    ['attempts have a time of their own', { retry: { maxAttempts: 3, perAttemptTimeoutMs: 500 } }],
    // For every call if need be: on a busy machine the good ones take so long as well, and spend the budget for repeats.
    ['a second attempt comes beside', { hedge: { maxAttempts: 2, delayMs: 100, maxExtraPercent: 100 } }],
  ])('when one hangs, where %s', async (_, policy) => {
    await using scene = await startScene(policy);
    const hung = scene.fleet[0] as FleetMember;
    const released = Promise.withResolvers<void>();
    hung.before = () => released.promise;
    const { calls } = hung;
    await scene.traffic.until(() => hung.calls > calls);
    await scene.traffic.more(500);
    // Whoever hangs in it must have been answered elsewhere by now.
    await scene.traffic.stop();
    released.resolve();
    expect(scene.traffic.failures).toEqual([]);
  });

  it('whatever of it comes by chance', async () => {
    const { seed } = fuzzing(1);
    const random = createRandom(seed);
    await using scene = await startScene();
    const { fleet, traffic } = scene;
    const faults: ((member: FleetMember) => Promise<void>)[] = [
      async (member) => {
        await member.kill();
        await traffic.more(50);
        await member.start();
      },
      async (member) => {
        await member.drain();
        await traffic.more(50);
        await member.start();
      },
      async (member) => {
        member.before = failing(30, random);
        await traffic.more(200);
        member.before = () => {};
      },
      async (member) => {
        member.before = () => new Promise((resolve) => setTimeout(resolve, 20));
        await traffic.more(200);
        member.before = () => {};
      },
    ];
    for (let step = 0; step < 12; step++) {
      const member = fleet[Math.floor(random() * fleet.length)] as FleetMember;
      await (faults[Math.floor(random() * faults.length)] as (typeof faults)[0])(member);
    }
    expect(traffic.failures, `seed ${seed}`).toEqual([]);
  });
});
