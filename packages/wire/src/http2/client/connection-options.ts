import type { Clock } from '@bascule/core';
import type { Http2Limits } from '../limits.ts';
import type { ClientConnection } from './connection.ts';
import type { TlsDialer } from '../../tls.ts';
import type { RequestEncoder } from './request.ts';
import type { ResponseBlocks } from './response.ts';

/** What a pool gives each of its connections. */
export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsDialer | undefined;
  readonly holdsProcess: boolean;
  /** Silence after which an open call's peer is asked for a sign of life, in milliseconds; 0 never. */
  readonly keepaliveMs: number;
  /** Silence after which a peer with open calls is asked, and after another such time doubted; 0 never. */
  readonly silenceMs: number;
  readonly clock: Clock;
  readonly limits: Http2Limits;
  /** Shared by the connections of a link. */
  readonly requests: RequestEncoder;
  readonly blocks: ResponseBlocks;
  onChange(connection: ClientConnection): void;
  /** A stream has ended, or the socket took what it held back: there may be room for a call. */
  onRoom(connection: ClientConnection): void;
}
