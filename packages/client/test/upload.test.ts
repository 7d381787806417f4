import type { Body } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { Upload } from '../src/upload.ts';

const ALIVE = { isOver: () => false };

function createBody(onWrite: (bytes: Uint8Array) => void = () => undefined): Body & { log: (number | 'end')[] } {
  const log: (number | 'end')[] = [];
  return {
    log,
    write(bytes) {
      log.push(bytes.length);
      onWrite(bytes);
    },
    end: () => void log.push('end'),
    cancel() {},
    grant() {},
  };
}

describe('an upload', () => {
  it('leaves within credit, also when that is granted while it is written', () => {
    const upload = new Upload();
    const body = createBody(() => {
      if (body.log.length === 1) upload.grant(10);
    });
    upload.push(new Uint8Array(70_000));
    upload.end();
    upload.pump(body, ALIVE);
    expect(body.log).toEqual([65_535, 10]);
    expect(upload.hasRoom()).toBe(false);
    upload.grant(100_000);
    upload.pump(body, ALIVE);
    expect(body.log).toEqual([65_535, 10, 70_000 - 65_545, 'end']);
  });

  it('comes again for another attempt, with the initial credit', () => {
    const upload = new Upload();
    upload.push(new Uint8Array(40_000));
    upload.push(new Uint8Array(30_000));
    upload.end();
    for (const body of [createBody(), createBody()]) {
      upload.pump(body, ALIVE);
      expect(body.log).toEqual([40_000, 25_535]);
      upload.rewind();
    }
  });

  it('gives an attempt that fails while it is written to nothing of the next', () => {
    const upload = new Upload();
    const second = createBody();
    const first = createBody(() => {
      upload.rewind();
      upload.pump(second, ALIVE);
    });
    upload.push(new Uint8Array(1));
    upload.push(new Uint8Array(2));
    upload.end();
    upload.pump(first, ALIVE);
    expect(first.log).toEqual([1]);
    expect(second.log).toEqual([1, 2, 'end']);
  });

  it('cannot come again once it is large, or once that is not needed', () => {
    const large = new Upload();
    large.push(new Uint8Array(262_145));
    expect(large.canReplay()).toBe(false);
    const answered = new Upload();
    expect(answered.canReplay()).toBe(true);
    answered.commit();
    expect(answered.canReplay()).toBe(false);
  });
});
