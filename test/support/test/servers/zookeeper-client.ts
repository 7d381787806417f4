import { connect, type Socket } from 'node:net';

const CREATE = 1;
const EXISTS = 3;
const AUTH = 100;
const AUTH_XID = -4;
const ANYONE_MAY_DO_ALL = 31;

export interface ZookeeperClient {
  /** Adds a user of the digest scheme to the session; resolves with the error code, 0 for none. */
  authenticate(user: string, password: string): Promise<number>;
  create(path: string): Promise<number>;
  exists(path: string): Promise<number>;
  close(): void;
}

/** As much of ZooKeeper's protocol as tells whether a server is there and keeps what it is told: one question at a time. */
export async function openZookeeper(port: number): Promise<ZookeeperClient> {
  const socket = connect(port, '127.0.0.1');
  const ask = answersOf(socket);
  // Protocol version, last zxid, timeout in ms, session id, password.
  await ask(Buffer.concat([int(0), long(0), int(10_000), long(0), buffer(Buffer.alloc(16))]));
  const call = async (type: number, body: Buffer, xid = 1): Promise<number> =>
    (await ask(Buffer.concat([int(xid), int(type), body]))).readInt32BE(12);
  return {
    authenticate: (user, password) =>
      call(AUTH, Buffer.concat([int(0), text('digest'), text(`${user}:${password}`)]), AUTH_XID),
    create: (path) =>
      call(
        CREATE,
        Buffer.concat([text(path), text(''), int(1), int(ANYONE_MAY_DO_ALL), text('world'), text('anyone'), int(0)]),
      ),
    exists: (path) => call(EXISTS, Buffer.concat([text(path), Buffer.from([0])])),
    close: () => socket.destroy(),
  };
}

/** Sends a packet and resolves with the next one that comes. */
function answersOf(socket: Socket): (packet: Buffer) => Promise<Buffer> {
  let received = Buffer.alloc(0);
  let failure: Error | undefined;
  let waiting: PromiseWithResolvers<Buffer> | undefined;
  const look = (): void => {
    if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      const end = 4 + received.readInt32BE(0);
      waiting?.resolve(received.subarray(4, end));
      received = received.subarray(end);
    } else if (failure !== undefined) waiting?.reject(failure);
  };
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    look();
  });
  socket.on('error', (error) => (failure = error));
  socket.on('close', () => {
    failure ??= new Error('ZooKeeper closed the connection');
    look();
  });
  return (packet) => {
    waiting = Promise.withResolvers();
    if (failure === undefined) socket.write(buffer(packet));
    else look();
    return waiting.promise;
  };
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function buffer(bytes: Buffer): Buffer {
  return Buffer.concat([int(bytes.length), bytes]);
}

function text(value: string): Buffer {
  return buffer(Buffer.from(value));
}
