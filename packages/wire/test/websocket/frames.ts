import type { Fields } from '@bascule/core';

/** A caller's half of the frames, written from docs/websocket.md alone. */

/** Seven bits a byte, low ones first. */
export function number(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function text(value: string): number[] {
  return [...number(value.length), ...Buffer.from(value, 'latin1')];
}

function fields(pairs: Fields): number[] {
  return [...number(pairs.length / 2), ...pairs.flatMap(text)];
}

export interface Open {
  readonly path: string;
  /** 0 proto, 1 json. */
  readonly codec?: number;
  readonly timeoutMs?: number;
  readonly fields?: Fields;
}

export const encode = {
  open: (id: number, open: Open): Buffer =>
    Buffer.from([
      1,
      ...number(id),
      open.codec ?? 0,
      ...number(open.timeoutMs ?? 0),
      ...text(open.path),
      ...fields(open.fields ?? []),
    ]),
  data: (id: number, bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([3, ...number(id), ...number(bytes.length)]), bytes]),
  end: (id: number): Buffer => Buffer.from([4, ...number(id)]),
  grant: (id: number, bytes: number): Buffer => Buffer.from([6, ...number(id), ...number(bytes)]),
  cancel: (id: number): Buffer => Buffer.from([7, ...number(id)]),
};

/** A callee's frames. */
export type Frame =
  | { readonly type: 'head'; readonly id: number; readonly fields: string[] }
  | { readonly type: 'data'; readonly id: number; readonly bytes: Buffer }
  | {
      readonly type: 'trailers';
      readonly id: number;
      readonly code: number;
      readonly message: string;
      readonly details: Buffer;
      readonly fields: string[];
    }
  | { readonly type: 'grant'; readonly id: number; readonly bytes: number }
  | { readonly type: 'goAway'; readonly lastId: number };

/** Throws where the message holds anything else than whole frames. */
export function decode(message: Buffer): Frame[] {
  let at = 0;
  const byte = (): number => message.readUInt8(at++);
  const readNumber = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const next = byte();
      value += (next & 127) * scale;
      if (next < 128) return value;
    }
  };
  const piece = (length = readNumber()): Buffer => {
    at += length;
    if (at > message.length) throw new Error('a frame goes beyond its message');
    return message.subarray(at - length, at);
  };
  const readFields = (): string[] => Array.from({ length: readNumber() * 2 }, () => piece().toString('latin1'));
  const readFrame = (): Frame => {
    const type = byte();
    const id = readNumber();
    switch (type) {
      case 2:
        return { type: 'head', id, fields: readFields() };
      case 3:
        return { type: 'data', id, bytes: piece() };
      case 5:
        return {
          type: 'trailers',
          id,
          code: byte(),
          message: piece().toString(),
          details: piece(),
          fields: readFields(),
        };
      case 6:
        return { type: 'grant', id, bytes: readNumber() };
      case 8:
        return { type: 'goAway', lastId: id };
      default:
        throw new Error(`frame type ${type}`);
    }
  };
  const frames: Frame[] = [];
  while (at < message.length) frames.push(readFrame());
  return frames;
}
