import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startRig, type Rig } from './support/rig.ts';
import { run, start, type Ran, type Running } from './support/run.ts';

const RANKING = 'demo.ranking.v1.RankingService';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig[Symbol.asyncDispose]());
beforeEach(() => {
  rig.ranking.headers.length = 0;
  rig.ranking.watchEnded = 0;
});

const options = (): { cwd: string; env: Record<string, string> } => ({
  cwd: rig.folder,
  env: { BASCULE_OPERATOR: rig.operatorUrl },
});
const call = (...args: string[]): Promise<Ran> => run(['call', ...args], options());
const startCall = (...args: string[]): Running => start(['call', ...args], options());
const linesOf = ({ stdout }: Ran): unknown[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('unary', () => {
  test('prints the answer as a line of JSON', async () => {
    const ran = await call(`${RANKING}/Rank`, '{"callId": "c", "candidates": [{"id": 7, "name": "Rome"}]}');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(linesOf(ran)).toEqual([
      { callId: 'c', version: '1.0.0', ranked: [{ id: 7, name: 'Rome', score: 0.5, reason: '' }] },
    ]);
  });

  test('needs no request, and takes method names in any case', async () => {
    expect((await call(`/${RANKING}/rank`)).code).toBe(0);
  });

  test('keeps 64-bit numbers whole', async () => {
    expect(linesOf(await call(`${RANKING}/Vote`))).toMatchObject([{ votes: '18446744073709551615' }]);
  });

  test('sends headers and a deadline', async () => {
    await call(`${RANKING}/Rank`, '{}', '-H', 'X-One: 1', '--header', 'x-two:a: b', '--timeout', '7.5');
    const [headers] = rig.ranking.headers;
    expect(headers?.get('x-one')).toBe('1');
    expect(headers?.get('x-two')).toBe('a: b');
    expect(headers?.get('grpc-timeout')).toMatch(/^7\d{6}u$/);
  });

  test('reads the request from standard input', async () => {
    const ran = await run(['call', `${RANKING}/Rank`, '-'], {
      ...options(),
      stdin: '{\n  "callId": "from}stdin"\n}\n',
    });
    expect(linesOf(ran)).toMatchObject([{ callId: 'from}stdin' }]);
  });

  test('goes to another address when told', async () => {
    expect((await call(`${RANKING}/Rank`, '--api', rig.apiUrl)).code).toBe(0);
    const ran = await call(`${RANKING}/Rank`, '--api', 'http://127.0.0.1:1');
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain('error: nobody takes calls at http://127.0.0.1:1');
  });

  test('a failed call names code and advice', async () => {
    const ran = await call(`${RANKING}/Rank`, '{"callId": "fail"}');
    expect(ran).toEqual({ code: 1, stdout: '', stderr: 'error: no such place (not_found)\nAsk for another.\n' });
  });
});

describe('what does not hold', () => {
  test.each([
    ['an unknown service', ['no.Such/Method'], 1, `no endpoint serves no.Such (not_found)\nKnown are ${RANKING}.`],
    ['an unknown method', [`${RANKING}/Rnk`], 2, 'has no method Rnk\nIt has Rank, Watch, Tally, Vote.'],
    ['an unknown field', [`${RANKING}/Rank`, '{"calId": "x"}'], 2, 'Its fields are candidates, callId.'],
    ['a wrong type', [`${RANKING}/Rank`, '{"callId": 5}'], 2, `the request is no demo.ranking.v1.RankRequest`],
    ['a list', [`${RANKING}/Rank`, '[1]'], 2, 'is not a JSON object'],
    ['broken JSON', [`${RANKING}/Rank`, '{"a": }'], 2, 'is not a JSON object'],
    ['an open brace', [`${RANKING}/Rank`, '{"a": 1'], 2, 'ends before its last "}"'],
    ['two requests for one', [`${RANKING}/Rank`, '{} {}'], 2, 'Rank takes one request, and more were given'],
    ['none for one', [`${RANKING}/Watch`, ' '], 2, 'Watch takes one request, and none was given'],
    ['a broken header', [`${RANKING}/Rank`, '{}', '-H', 'nonsense'], 2, 'It must be "name: value"'],
    ['no time', [`${RANKING}/Rank`, '{}', '-t', '0'], 2, 'It must be seconds'],
  ])('%s', async (_name, args, code, words) => {
    const ran = await call(...args);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(words);
    expect(ran.stderr).not.toMatch(/ at .*:\d+:\d+/);
  });
});

describe('streams', () => {
  test('of answers are printed to their end', async () => {
    const ran = await call(`${RANKING}/Watch`, '{"callId": "three"}');
    expect(ran.code).toBe(0);
    expect(linesOf(ran)).toMatchObject([{ sequence: '1' }, { sequence: '2' }, { sequence: '3' }]);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('without end stop at %s, and the callee learns of it', async (signal) => {
    const running = startCall(`${RANKING}/Watch`);
    await running.said('"sequence":"3"');
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
    await expect.poll(() => rig.ranking.watchEnded).toBe(1);
  });

  test('without end stop when nobody reads them', async () => {
    const running = startCall(`${RANKING}/Watch`);
    await running.said('"sequence":"3"');
    running.child.stdout?.destroy();
    expect((await running.ended).code).toBe(0);
    await expect.poll(() => rig.ranking.watchEnded).toBe(1);
  });

  test('of requests take several objects', async () => {
    const ran = await call(`${RANKING}/Tally`, '{"candidate": {"id": 1}}{"candidate": {"id": 2}}, {"callId": "{"}');
    expect(linesOf(ran)).toMatchObject([{ ranked: { id: 1 } }, { ranked: { id: 2 } }, { callId: '{', sequence: '3' }]);
  });

  test('of both answer each request as it is typed', async () => {
    const running = startCall(`${RANKING}/Tally`, '-');
    running.child.stdin?.write('{"candidate": {"id": 1}}');
    await running.said('"sequence":"1"');
    running.child.stdin?.write('{"candidate":');
    running.child.stdin?.write(' {"id": 2}}\n');
    await running.said('"sequence":"2"');
    running.child.stdin?.end();
    const ran = await running.ended;
    expect(ran.code).toBe(0);
    expect(linesOf(ran)).toHaveLength(2);
  });

  test('of requests end with their call, though nobody ends the requests', async () => {
    const late = startCall(`${RANKING}/Tally`, '-', '--timeout', '0.5');
    expect(await late.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('deadline_exceeded') as string });
    const stopped = startCall(`${RANKING}/Tally`, '-');
    stopped.child.stdin?.write('{"candidate": {"id": 1}}');
    await stopped.said('"sequence":"1"');
    stopped.child.kill('SIGTERM');
    expect(await stopped.ended).toMatchObject({ code: 0, stderr: '' });
    const one = startCall(`${RANKING}/Rank`, '-');
    // More than a pipe holds: it has gone when the command reads.
    await new Promise((resolve) => one.child.stdin?.write(' '.repeat(1_048_576), resolve));
    one.child.kill('SIGTERM');
    expect(await one.ended).toMatchObject({ code: 0, stderr: '' });
  });

  test('that break in the middle of requests fail as usage', async () => {
    const ran = await call(`${RANKING}/Tally`, '{"candidate": {"id": 1}} {"candidat": {}}');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('Its fields are candidate, callId.');
  });
});
