import { ConnectionFault, ErrorCode } from './errors.ts';
import { DEFAULT_MAX_FRAME_BYTES, MAX_31_BITS, readUint32, writeUint32, type Frame } from './frames.ts';

/** Identifiers. Source: RFC 9113, 6.5.2; the last one RFC 8441, 3. */
export const SettingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

const SETTING_BYTES = 6;

/** What a peer has announced; before that, the protocol's own start values. */
export interface PeerSettings {
  headerTableBytes: number;
  maxConcurrentStreams: number;
  initialWindowBytes: number;
  maxFrameBytes: number;
  /** Advisory: what is larger need not be taken. */
  maxHeaderListBytes: number;
}

export function createPeerSettings(): PeerSettings {
  return {
    headerTableBytes: 4096,
    maxConcurrentStreams: MAX_31_BITS,
    initialWindowBytes: 65_535,
    maxFrameBytes: DEFAULT_MAX_FRAME_BYTES,
    maxHeaderListBytes: Infinity,
  };
}

/** Payload of a SETTINGS frame out of `[id, value]` pairs. */
export function encodeSettings(pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * SETTING_BYTES);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * SETTING_BYTES);
    writeUint32(payload, i * SETTING_BYTES + 2, value);
  });
  return payload;
}

/** Applies a SETTINGS payload in order. Throws {@link ConnectionFault} for a value that is not allowed. */
export function applySettings(settings: PeerSettings, frame: Frame, peerIsServer: boolean): void {
  if ((frame.end - frame.start) % SETTING_BYTES !== 0) {
    throw new ConnectionFault(ErrorCode.frameSizeError, 'SETTINGS of a length that is no multiple of 6');
  }
  for (let at = frame.start; at < frame.end; at += SETTING_BYTES) {
    const id = ((frame.bytes[at] as number) << 8) | (frame.bytes[at + 1] as number);
    applySetting(settings, id, readUint32(frame.bytes, at + 2), peerIsServer);
  }
}

function applySetting(settings: PeerSettings, id: number, value: number, peerIsServer: boolean): void {
  switch (id) {
    case SettingId.headerTableSize:
      settings.headerTableBytes = value;
      return;
    case SettingId.enablePush:
      if (value > 1 || (peerIsServer && value === 1)) {
        throw new ConnectionFault(ErrorCode.protocolError, `SETTINGS_ENABLE_PUSH ${value}`);
      }
      return;
    case SettingId.maxConcurrentStreams:
      settings.maxConcurrentStreams = value;
      return;
    case SettingId.initialWindowSize:
      if (value > MAX_31_BITS) {
        throw new ConnectionFault(ErrorCode.flowControlError, `SETTINGS_INITIAL_WINDOW_SIZE ${value}`);
      }
      settings.initialWindowBytes = value;
      return;
    case SettingId.maxFrameSize:
      if (value < DEFAULT_MAX_FRAME_BYTES || value > 0xff_ffff) {
        throw new ConnectionFault(ErrorCode.protocolError, `SETTINGS_MAX_FRAME_SIZE ${value}`);
      }
      settings.maxFrameBytes = value;
      return;
    case SettingId.maxHeaderListSize:
      settings.maxHeaderListBytes = value;
      return;
    default:
    // Unknown settings are ignored (RFC 9113, 6.5.2).
  }
}
