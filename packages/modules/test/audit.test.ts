import { describe, expect, it } from 'vitest';
import type { LogEvent } from '../src/index.ts';
import { makeFolder, makeRanking } from './support/fixtures.ts';
import { startRig, type Rig } from './support/rig.ts';

const DIGEST = expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string;
const DURATION = expect.any(Number) as number;

/** Events about versions until now, without what their workers print. */
function trailOf(rig: Rig): LogEvent[] {
  return rig.log.filter(({ stream }) => stream === undefined);
}

describe('log', () => {
  it('tells every deployment, rollback and refusal with what, whence, why and how long', async () => {
    const rig = await startRig(await makeFolder());
    const one = await makeRanking('1.0.0');
    await rig.modules.deploy({ path: one, source: './one' });
    await rig.modules.deploy({ path: one, source: './one' });
    await rig.modules.deploy({ path: await makeRanking('2.0.0'), source: './two' });
    const bad = await makeRanking('3.0.0', { source: 'throw new Error("no database");' });
    await rig.modules.deploy({ path: bad, source: './bad' }).catch(() => undefined);
    await rig.modules.deploy({ path: `${one}/nothing`, source: './nothing' }).catch(() => undefined);
    await rig.modules.rollback('ranking');
    await rig.modules.rollback('ranking', '9.9.9').catch(() => undefined);
    const about = { module: 'ranking', digest: DIGEST, durationMs: DURATION };
    expect(trailOf(rig).filter(({ action }) => action !== undefined)).toEqual([
      {
        level: 'info',
        message: 'a module version is current',
        action: 'deploy',
        ...about,
        version: '1.0.0',
        source: './one',
        previousVersion: '',
      },
      {
        level: 'info',
        message: 'a module version is current already',
        action: 'deploy',
        ...about,
        version: '1.0.0',
        source: './one',
        previousVersion: '1.0.0',
      },
      {
        level: 'info',
        message: 'a module version is current',
        action: 'deploy',
        ...about,
        version: '2.0.0',
        source: './two',
        previousVersion: '1.0.0',
      },
      {
        level: 'warn',
        message: 'a module version was refused',
        action: 'deploy',
        ...about,
        version: '3.0.0',
        source: './bad',
        reason: expect.stringContaining('no database') as string,
        advice: 'Correct the source and deploy again',
      },
      {
        level: 'warn',
        message: 'a module version was refused',
        action: 'deploy',
        source: './nothing',
        durationMs: DURATION,
        reason: expect.stringContaining('no such file or folder') as string,
        advice: 'Name a folder with a package.json, or a .tgz of one',
      },
      {
        level: 'info',
        message: 'a module version is current',
        action: 'rollback',
        ...about,
        version: '1.0.0',
        source: './one',
        previousVersion: '2.0.0',
      },
      {
        level: 'warn',
        message: 'a module version was refused',
        action: 'rollback',
        module: 'ranking',
        version: '9.9.9',
        durationMs: DURATION,
        reason: 'module "ranking" has no version 9.9.9',
        advice: 'See the list of versions',
      },
    ]);
    await rig.logged(({ message, version }) => message === 'a module version ended' && version === '2.0.0');
    expect(rig.log).toContainEqual(expect.objectContaining({ message: 'a module version drains', version: '2.0.0' }));
  });

  it('tells a crash and the restart after it', async () => {
    const rig = await startRig(await makeFolder());
    const rank = "if (request.callId === 'bad') process.exit(7); return answer(request);";
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank }), source: './one' });
    await rig.rank('bad');
    const about = { module: 'ranking', version: '1.0.0', digest: DIGEST, source: './one' };
    expect(await rig.logged(({ message }) => message.includes('crashed'))).toEqual({
      level: 'error',
      message: 'a module version crashed and is started again',
      reason: 'the worker exited with code 7',
      restarts: 0,
      ...about,
    });
    const back = await rig.logged(({ message }) => message === 'a module version runs');
    expect(back).toEqual({
      level: 'info',
      message: 'a module version runs',
      restarts: 1,
      durationMs: DURATION,
      ...about,
    });
    // From the crash on, not from the start of the version: the wait before the restart is in it.
    expect(back['durationMs']).toBeGreaterThanOrEqual(8);
  });
});
