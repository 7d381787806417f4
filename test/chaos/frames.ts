/** Types and flags of HTTP/2 frames, as far as the rude ones need them. */
export const FrameKind = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  endStream: 1,
  endHeaders: 4,
} as const;

/** A frame out of its parts; nothing is checked, so that wrong ones can be made. */
export function encodeFrame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields without indexing, lengths below 127. */
export function encodeFields(fields: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const [name = '', value = ''] = fields.slice(i, i + 2);
    parts.push(Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value));
  }
  return Buffer.concat(parts);
}
