import type { Fields } from '@bascule/core';
import { FrameType } from './frames.ts';

/** Room for what a turn gathers: flushed from half of it on, and one piece more is at most an initial credit. */
const ROOM_BYTES = 131_072;

/** Rooms kept for the next turn. One per socket would be gigabytes for ten thousand silent ones. */
const MAX_SPARE = 8;
const spare: Buffer[] = [];

/** The most a number takes. */
const NUMBER_BYTES = 5;

/** Gathers a callee's frames for one WebSocket message. */
export class FrameWriter {
  /** Bytes gathered. */
  length = 0;
  private room: Buffer | undefined;

  head(id: number, fields: Fields): void {
    this.begin(FrameType.head, id, fieldsBytes(fields));
    this.fields(fields);
  }

  /** Copies `bytes`. */
  data(id: number, bytes: Uint8Array): void {
    const room = this.begin(FrameType.data, id, NUMBER_BYTES + bytes.length);
    this.number(bytes.length);
    room.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** `details` is a serialized google.rpc.Status, or undefined. */
  trailers(id: number, code: number, message: string, details: Uint8Array | undefined, fields: Fields): void {
    const textBytes = Buffer.byteLength(message);
    const detailBytes = details?.length ?? 0;
    const bytes = 1 + NUMBER_BYTES * 2 + textBytes + detailBytes + fieldsBytes(fields);
    const room = this.begin(FrameType.trailers, id, bytes);
    room[this.length++] = code;
    this.number(textBytes);
    this.length += room.write(message, this.length);
    this.number(detailBytes);
    if (details !== undefined) room.set(details, this.length);
    this.length += detailBytes;
    this.fields(fields);
  }

  grant(id: number, bytes: number): void {
    this.begin(FrameType.grant, id, NUMBER_BYTES);
    this.number(bytes);
  }

  goAway(lastId: number): void {
    this.begin(FrameType.goAway, lastId, 0);
  }

  /** What was gathered, for the receiver to keep; then it is empty again. */
  take(): Buffer {
    const room = this.room ?? Buffer.alloc(0);
    const bytes = Buffer.from(room.subarray(0, this.length));
    this.clear();
    return bytes;
  }

  clear(): void {
    const { room } = this;
    this.room = undefined;
    this.length = 0;
    if (room !== undefined && room.length === ROOM_BYTES && spare.length < MAX_SPARE) spare.push(room);
  }

  private begin(type: number, id: number, bytes: number): Buffer {
    const room = this.reserve(1 + NUMBER_BYTES + bytes);
    room[this.length++] = type;
    this.number(id);
    return room;
  }

  private reserve(bytes: number): Buffer {
    const needed = this.length + bytes;
    const room = this.room;
    if (room !== undefined && room.length >= needed) return room;
    const next =
      needed <= ROOM_BYTES ? (spare.pop() ?? Buffer.allocUnsafeSlow(ROOM_BYTES)) : Buffer.allocUnsafeSlow(needed * 2);
    if (room !== undefined) next.set(room.subarray(0, this.length));
    this.room = next;
    return next;
  }

  private number(value: number): void {
    const room = this.room as Buffer;
    let rest = value;
    while (rest >= 0x80) {
      room[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    room[this.length++] = rest;
  }

  private fields(fields: Fields): void {
    this.number(fields.length / 2);
    for (const text of fields) {
      this.number(text.length);
      this.length += (this.room as Buffer).write(text, this.length, 'latin1');
    }
  }
}

/** Not less than fields take. */
function fieldsBytes(fields: Fields): number {
  let bytes = NUMBER_BYTES;
  for (const text of fields) bytes += NUMBER_BYTES + text.length;
  return bytes;
}
