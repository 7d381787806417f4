import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startGateway, type Gateway, type LogEvent } from '../src/index.ts';

const STUBS = fileURLToPath(new URL('../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts', import.meta.url));

/** Notes each vote that it begins; "exit" ends the worker, "hang" is never answered. */
function moduleSource(notes: string): string {
  return `
import { appendFileSync } from 'node:fs';
import type { ConnectRouter } from '@connectrpc/connect';
import { RankingService } from ${JSON.stringify(STUBS)};

export default (router: ConnectRouter): void => {
  router.service(RankingService, {
    rank: ({ callId }) => ({ callId }),
    async vote({ callId }) {
      appendFileSync(${JSON.stringify(notes)}, callId + '\\n');
      if (callId === 'exit') process.exit(3);
      if (callId === 'hang') await new Promise(() => undefined);
      return { callId };
    },
  });
};
`;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly callId?: string; readonly code?: string };
}

/** A call by Connect with JSON. */
async function call(gateway: Gateway, method: string, callId: string): Promise<Answer> {
  const answer = await fetch(`http://127.0.0.1:${gateway.apiPort}/demo.ranking.v1.RankingService/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ callId }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

async function startWithModule(workers: number) {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-crash-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const notes = join(folder, 'notes');
  const source = await mkdtemp(join(folder, 'module-'));
  await writeFile(notes, '');
  await writeFile(join(source, 'package.json'), JSON.stringify({ name: 'ranking', version: '1.0.0', bascule: {} }));
  await writeFile(join(source, 'index.ts'), moduleSource(notes));
  const configFile = join(folder, 'bascule.yaml');
  await writeFile(configFile, JSON.stringify({ modules: { watch: [source] }, observe: { accessLog: 'off' } }));
  const log: LogEvent[] = [];
  const gateway = await startGateway({
    configFile,
    overrides: { port: 0, operatorPort: 0, workers, stateDir: join(folder, 'state') },
    log: (event) => void log.push(event),
  });
  onTestFinished(() => gateway.close());
  return {
    gateway,
    runs: () => log.filter(({ message }) => message === 'a module version runs').length,
    notes: async () => (await readFile(notes, 'utf8')).trim().split('\n'),
  };
}

describe.each([0, 2])('a module that exits in a handler, with %i workers', (workers) => {
  it('fails what it was at, once, and answers what comes while it is started again', async () => {
    const { gateway, notes, runs } = await startWithModule(workers);
    expect(await call(gateway, 'Vote', 'before')).toEqual({ status: 200, body: { callId: 'before' } });
    const hanging = call(gateway, 'Vote', 'hang');
    await expect.poll(() => notes()).toContain('hang');
    const lost = { status: 503, body: expect.objectContaining({ code: 'unavailable' }) as object };
    expect(await call(gateway, 'Vote', 'exit')).toEqual(lost);
    expect(runs()).toBe(0);
    const after = ['a', 'b', 'c'].flatMap((id) => [call(gateway, 'Vote', `vote-${id}`), call(gateway, 'Rank', id)]);
    expect(await hanging).toEqual(lost);
    expect((await Promise.all(after)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    await expect.poll(() => runs()).toBe(1);
    expect((await notes()).sort()).toEqual(['before', 'exit', 'hang', 'vote-a', 'vote-b', 'vote-c']);
  });
});
