import { putSettings, putWindowUpdate } from './control.ts';
import { CLIENT_PREFACE } from './frames.ts';
import type { Http2Limits } from './limits.ts';
import type { Outbox } from './outbox.ts';
import { encodeSettings, SettingId } from './settings.ts';

const DEFAULT_WINDOW_BYTES = 65_535;

export interface ServerGreeting {
  readonly maxStreams: number;
  readonly maxHeaderBytes: number;
  readonly connectionWindowBytes: number;
  /** Whether extended CONNECT is taken (RFC 8441). */
  readonly takesConnect: boolean;
}

/** What a server says first. Table size and stream windows stay the protocol's own. Source: RFC 9113, 3.4 and 6.5.2. */
export function putServerGreeting(outbox: Outbox, greeting: ServerGreeting): void {
  const settings: [number, number][] = [
    [SettingId.maxConcurrentStreams, greeting.maxStreams],
    [SettingId.maxHeaderListSize, greeting.maxHeaderBytes],
  ];
  if (greeting.takesConnect) settings.push([SettingId.enableConnectProtocol, 1]);
  putSettings(outbox, encodeSettings(settings));
  putExtraWindow(outbox, greeting.connectionWindowBytes);
}

/** What a client says first: preface, settings, and the connection's real window. Source: RFC 9113, 3.4. */
export function putGreeting(outbox: Outbox, limits: Http2Limits): void {
  outbox.bytes.append(CLIENT_PREFACE);
  const settings = encodeSettings([
    [SettingId.headerTableSize, limits.headerTableBytes],
    [SettingId.enablePush, 0],
    [SettingId.maxHeaderListSize, limits.maxHeaderListBytes],
  ]);
  putSettings(outbox, settings);
  putExtraWindow(outbox, limits.connectionWindowBytes);
}

/** A connection's window is raised by WINDOW_UPDATE alone (RFC 9113, 6.9.2). */
function putExtraWindow(outbox: Outbox, connectionWindowBytes: number): void {
  const extra = connectionWindowBytes - DEFAULT_WINDOW_BYTES;
  if (extra > 0) putWindowUpdate(outbox, 0, extra);
}
