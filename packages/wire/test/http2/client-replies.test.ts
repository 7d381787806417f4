import { once } from 'node:events';
import { Code, type CallError, type Link, type Reply } from '@bascule/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { frame, openLink, readiness, requestHead, startCall, startRawPeer, type RawPeer } from './support.ts';

const OK = Buffer.from([0x88]);
const ENDED = 5;

let peer: RawPeer;
let link: Link;
let warnings: string[] = [];
const onWarning = (warning: Error) => void warnings.push(warning.message);

beforeEach(async () => {
  warnings = [];
  process.on('warning', onWarning);
  peer = await startRawPeer();
  link = openLink(peer.port);
  await readiness(link, true);
});

afterEach(async () => {
  process.off('warning', onWarning);
  link.destroy();
  await peer.close();
});

/** A reply that throws in the methods given. */
function brokenReply(broken: string[]): { reply: Reply; errors: CallError[] } {
  const errors: CallError[] = [];
  const step = (name: string) => {
    if (broken.includes(name)) throw new Error(`${name} of a layer is broken`);
  };
  const reply: Reply = {
    head: () => step('head'),
    write: () => step('write'),
    end: () => step('end'),
    grant: () => step('grant'),
    fail(error) {
      errors.push(error);
      step('fail');
    },
  };
  return { reply, errors };
}

const ANSWER = Buffer.concat([frame(1, 4, 1, OK), frame(0, 0, 1, Buffer.from('x')), frame(0, 1, 1)]);

test.each([
  [['head'], true],
  [['write'], true],
  [['grant'], true],
  [['end'], false],
  [['head', 'fail'], true],
])('a reply that throws in %s costs its own call alone', async (broken, isReset) => {
  const warned = once(process, 'warning');
  const { reply, errors } = brokenReply(broken);
  const body = link.service(requestHead(), reply);
  body.write(Buffer.from('hello'));
  const other = startCall(link);
  other.body.end();
  await peer.seen((seen) => seen.streamId === 3);
  peer.send(Buffer.concat([ANSWER, frame(1, ENDED, 3, OK)]));
  expect((await other.done).error).toBeUndefined();
  await warned;
  expect(warnings[0]).toBe(`${broken[0]} of a layer is broken`);
  const reset = await peer.seen((seen) => seen.type === 3 && seen.streamId === 1);
  // An early answer stops the upload as well, but with NO_ERROR.
  expect(reset?.payload.readUInt32BE(0)).toBe(isReset ? 8 : 0);
  expect(errors.map((error) => error.code)).toEqual(isReset ? [Code.internal] : []);
  expect(link.isReady()).toBe(true);
  expect(peer.frames.some((seen) => seen.type === 7)).toBe(false);
});

test('when the connection is lost, one that throws does not keep the others from hearing of it', async () => {
  const warned = once(process, 'warning');
  const { reply, errors } = brokenReply(['fail']);
  link.service(requestHead(), reply);
  const others = [startCall(link), startCall(link)];
  await peer.seen((seen) => seen.streamId === 5);
  (await peer.socket()).destroy();
  for (const other of others) expect((await other.done).error?.code).toBe(Code.unavailable);
  await warned;
  expect(errors).toHaveLength(1);
});
