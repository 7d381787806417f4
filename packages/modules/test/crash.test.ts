import { Code } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { makeFolder, makeRanking } from './support/fixtures.ts';
import { startRig, type Rig } from './support/rig.ts';

const MIB = 1024 * 1024;

/** A rank handler that does harm when the call id is "bad". */
function harmful(harm: string): string {
  return `if (request.callId === 'bad') { ${harm} } return answer(request);`;
}

async function expectRestart(rig: Rig, reason: string): Promise<void> {
  const crash = await rig.logged(({ message }) => message.includes('crashed'));
  expect(crash.reason).toContain(reason);
  await rig.published(2);
  expect((await rig.rank('after')).response?.version).toBe('1.0.0');
  expect(rig.modules.versions()).toMatchObject([{ version: '1.0.0', state: 'current', restarts: 1 }]);
}

describe('a version that crashes', () => {
  it.each([
    ['exits', 'process.exit(7);', 'exited with code 7'],
    [
      'throws outside of any call',
      'setImmediate(() => { throw new Error("later"); }); await new Promise(() => {});',
      'uncaught Error: later',
    ],
    [
      'leaves a rejection',
      'void Promise.reject(new Error("lost")); await new Promise(() => {});',
      'uncaught Error: lost',
    ],
  ])('by a handler that %s fails its own calls and is started again', async (_, harm, reason) => {
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank: harmful(harm) }), source: 'v1' });
    const stream = rig.watch('s');
    await stream.reached(1);
    const { outcome } = await rig.rank('bad');
    expect(outcome).toMatchObject({ code: Code.unavailable, by: 'wire' });
    expect(await stream.ended).toMatchObject({ code: Code.unavailable, by: 'wire' });
    await expectRestart(rig, reason);
    const [group] = rig.groups();
    expect(group?.endpoint.incarnation).toBeGreaterThan(1);
  });

  it('by its heap dies alone', async () => {
    const rig = await startRig(await makeFolder(), { maxHeapBytes: 64 * MIB });
    const harm = 'const all: unknown[] = []; for (;;) all.push({ at: all.length });';
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank: harmful(harm) }), source: 'v1' });
    expect((await rig.rank('bad')).outcome.code).toBe(Code.unavailable);
    await expectRestart(rig, 'of JavaScript heap, and 64 MiB are allowed');
  });

  it('is ended for memory outside its heap, also while it runs without a break', async () => {
    const rig = await startRig(await makeFolder(), { maxExternalBytes: 64 * MIB, memoryCheckMs: 100 });
    const harm =
      'const all: Buffer[] = []; for (let i = 0; i < 12; i++) all.push(Buffer.alloc(8 * 1024 * 1024)); for (;;) all[0]!.fill(1);';
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank: harmful(harm) }), source: 'v1' });
    expect((await rig.rank('bad')).outcome.code).toBe(Code.unavailable);
    await expectRestart(rig, 'outside its JavaScript heap, and 64 MiB are allowed');
  });

  it('is not ended for garbage', async () => {
    const rig = await startRig(await makeFolder(), { maxExternalBytes: 64 * MIB, memoryCheckMs: 20 });
    const rank = `for (let i = 0; i < 12; i++) Buffer.alloc(8 * 1024 * 1024);
      for (let i = 0; i < 40; i++) await sleep(5);
      return answer(request);`;
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank }), source: 'v1' });
    for (const callId of ['a', 'b', 'c']) expect((await rig.rank(callId)).outcome.code).toBe(Code.ok);
    expect(rig.modules.versions()).toMatchObject([{ restarts: 0 }]);
  });

  it('leaves the versions beside it alone, and a draining one is not started again', async () => {
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({
      path: await makeRanking('1.0.0', {}),
      source: 'v1',
    });
    const old = rig.watch('old');
    await old.reached(1);
    await rig.modules.deploy({ path: await makeRanking('2.0.0', { rank: harmful('process.exit(1);') }), source: 'v2' });
    expect((await rig.rank('bad')).outcome.code).toBe(Code.unavailable);
    await rig.published(3);
    await old.reached(old.messages.length + 3);
    expect((await rig.rank('after')).response?.version).toBe('2.0.0');
    old.cancel();
    await rig.logged(({ message, version }) => message === 'a module version ended' && version === '1.0.0');
  });

  it('can be replaced while it waits to be started again', async () => {
    const rig = await startRig(await makeFolder(), { restartFirstMs: 30_000 });
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank: harmful('process.exit(1);') }), source: 'v1' });
    await rig.rank('bad');
    await rig.logged(({ message }) => message.includes('crashed'));
    expect(rig.modules.versions()).toMatchObject([{ state: 'crashed', reason: 'the worker exited with code 1' }]);
    await rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' });
    expect((await rig.rank('after')).response?.version).toBe('2.0.0');
  });
});

describe('a worker', () => {
  it('sees its name and version, and no other variable of ours', async () => {
    process.env['BASCULE_TEST_SECRET'] = 'x';
    const rig = await startRig(await makeFolder());
    const rank =
      "return { callId: JSON.stringify({ argv: process.argv.length, keys: Object.keys(process.env).sort() }), version: process.env['BASCULE_MODULE'] };";
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank }), source: 'v1' });
    const { response } = await rig.rank('a');
    delete process.env['BASCULE_TEST_SECRET'];
    expect(response?.version).toBe('ranking');
    const { keys } = JSON.parse(response?.callId ?? '{}') as { keys: string[] };
    expect(keys).toContain('BASCULE_MODULE_VERSION');
    expect(
      keys.filter((key) => !key.startsWith('BASCULE_MODULE') && !['NODE_ENV', 'TZ', 'LANG', 'LC_ALL'].includes(key)),
    ).toEqual([]);
  });

  it('has its prints in the log, with its version', async () => {
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({
      path: await makeRanking('1.0.0', { rank: "console.log('hello\\nthere'); return answer(request);" }),
      source: 'v1',
    });
    await rig.rank('a');
    expect(await rig.logged(({ message }) => message === 'there')).toMatchObject({
      level: 'info',
      module: 'ranking',
      version: '1.0.0',
    });
  });
});
