import { connect as connectTcp, type Socket } from 'node:net';
import type { TlsDialer } from '../../tls.ts';
import { readBuffer } from '../read-buffer.ts';

interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsDialer | undefined;
  /** Over TLS: the connection stands, and the handshake begins. */
  onHandshake(): void;
  /** The peer can be written to; over TLS: it has agreed on HTTP/2. */
  onConnect(): void;
  /** `bytes` are lent until it returns; only the first `length` count. */
  onBytes(bytes: Buffer, length: number): void;
}

/** Opens a connection. What becomes of it is told by the socket's own `error`, `end` and `close`. */
export function dial(options: DialOptions): Socket {
  const { host, port, tls } = options;
  const onread = {
    buffer: readBuffer(),
    callback: (length: number, bytes: Uint8Array) => {
      options.onBytes(bytes as Buffer, length);
      return true;
    },
  };
  if (tls !== undefined) {
    const socket = tls.connect({ onread, onAgreed: () => options.onConnect() });
    socket.on('connect', () => options.onHandshake());
    return socket;
  }
  const socket = connectTcp({ host, port, noDelay: true, onread });
  socket.on('connect', () => options.onConnect());
  return socket;
}
