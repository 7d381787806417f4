import { putSettings, putWindowUpdate } from './control.ts';
import { CLIENT_PREFACE } from './frames.ts';
import type { Http2Limits } from './limits.ts';
import type { Outbox } from './outbox.ts';
import { encodeSettings, SettingId } from './settings.ts';

const DEFAULT_WINDOW_BYTES = 65_535;

/** What a client says first: preface, settings, and the connection's real window. Source: RFC 9113, 3.4. */
export function putGreeting(outbox: Outbox, limits: Http2Limits): void {
  outbox.bytes.append(CLIENT_PREFACE);
  const settings = encodeSettings([
    [SettingId.headerTableSize, limits.headerTableBytes],
    [SettingId.enablePush, 0],
    [SettingId.maxHeaderListSize, limits.maxHeaderListBytes],
  ]);
  putSettings(outbox, settings);
  const extra = limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES;
  if (extra > 0) putWindowUpdate(outbox, 0, extra);
}
