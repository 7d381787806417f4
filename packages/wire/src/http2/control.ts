import { Flag, FRAME_HEADER_BYTES, frameKind, FrameType, writeFrameHeader, writeUint32 } from './frames.ts';
import type { Outbox } from './outbox.ts';

/** Frames without a body of their own, in either role. Each is added to the outbox of this turn. */

function beginFrame(outbox: Outbox, kind: number, streamId: number, length: number): number {
  const out = outbox.bytes;
  const at = out.reserve(FRAME_HEADER_BYTES + length);
  writeFrameHeader(out.bytes, at, kind, streamId, length);
  out.length = at + FRAME_HEADER_BYTES + length;
  outbox.schedule();
  return at + FRAME_HEADER_BYTES;
}

export function putSettings(outbox: Outbox, payload: Uint8Array): void {
  const at = beginFrame(outbox, frameKind(FrameType.settings, 0), 0, payload.length);
  outbox.bytes.bytes.set(payload, at);
}

export function putSettingsAck(outbox: Outbox): void {
  outbox.answers += 1;
  beginFrame(outbox, frameKind(FrameType.settings, Flag.ack), 0, 0);
}

/** Answers a PING with its own eight bytes. */
export function putPingAck(outbox: Outbox, opaque: Uint8Array): void {
  outbox.answers += 1;
  const at = beginFrame(outbox, frameKind(FrameType.ping, Flag.ack), 0, 8);
  outbox.bytes.bytes.set(opaque, at);
}

/** Asks the peer for a sign of life, or for the moment at which it has read all that was sent before. */
export function putPing(outbox: Outbox, opaque: Uint8Array): void {
  const at = beginFrame(outbox, frameKind(FrameType.ping, 0), 0, 8);
  outbox.bytes.bytes.set(opaque, at);
}

export function putWindowUpdate(outbox: Outbox, streamId: number, increment: number): void {
  const at = beginFrame(outbox, frameKind(FrameType.windowUpdate, 0), streamId, 4);
  writeUint32(outbox.bytes.bytes, at, increment);
}

export function putReset(outbox: Outbox, streamId: number, code: number): void {
  outbox.answers += 1;
  const at = beginFrame(outbox, frameKind(FrameType.rstStream, 0), streamId, 4);
  writeUint32(outbox.bytes.bytes, at, code);
}

/** `debug` is ASCII text for whoever looks into the peer's logs. */
export function putGoaway(outbox: Outbox, lastStreamId: number, code: number, debug = ''): void {
  const at = beginFrame(outbox, frameKind(FrameType.goaway, 0), 0, 8 + debug.length);
  const { bytes } = outbox.bytes;
  writeUint32(bytes, at, lastStreamId);
  writeUint32(bytes, at + 4, code);
  bytes.write(debug, at + 8, 'latin1');
}
