import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { AUTHORITATIVE_ANSWER, decode, encode, TRUNCATED_RESPONSE, type Answer } from 'dns-packet';

/** What the server is asked, and how. */
export interface Asked {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly via: 'udp' | 'tcp';
  readonly hasEdns: boolean;
}

export interface Reply {
  readonly code?: keyof typeof CODES;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  readonly isTruncated?: boolean;
  readonly isAuthority?: boolean;
  /** In place of the true one. */
  readonly id?: number;
  readonly question?: { readonly name: string; readonly type: 'A' } | 'none';
}

const CODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export interface FakeDns {
  readonly port: number;
  readonly asked: readonly Asked[];
  /** What it says from now on; undefined or an empty list for silence. Buffers go out as they are. */
  answer(how: (asked: Asked) => Reply | Buffer | readonly (Reply | Buffer)[] | undefined): void;
  close(): Promise<void>;
}

/** A server that says what it is told to, over UDP and TCP on one port. */
export async function startFakeDns(): Promise<FakeDns> {
  const asked: Asked[] = [];
  let how: Parameters<FakeDns['answer']>[0] = () => undefined;

  const repliesTo = (query: Buffer, via: Asked['via']): Buffer[] => {
    const { id = 0, questions = [], additionals = [] } = decode(query);
    const { name = '', type = 'A' } = questions[0] ?? {};
    const one: Asked = { id, name, type, via, hasEdns: additionals.some((record) => record.type === 'OPT') };
    asked.push(one);
    const replies = how(one) ?? [];
    return (Array.isArray(replies) ? (replies as (Reply | Buffer)[]) : [replies as Reply | Buffer]).map((reply) =>
      Buffer.isBuffer(reply) ? reply : toPacket(one, reply),
    );
  };

  const tcp = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      for (const reply of repliesTo(bytes.subarray(2), 'tcp')) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        // In two pieces, as a network may have it.
        socket.write(length.subarray(0, 1));
        socket.write(Buffer.concat([length.subarray(1), reply]));
      }
      socket.end();
    });
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4');
  udp.on('message', (query, client) => {
    for (const reply of repliesTo(query, 'udp')) udp.send(reply, client.port, client.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');

  return {
    port,
    asked,
    answer(next) {
      how = next;
    },
    async close() {
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
}

function toPacket(asked: Asked, reply: Reply): Buffer {
  const { code = 'NOERROR', answers = [], authorities = [], additionals = [], isAuthority = true, question } = reply;
  const own = { name: asked.name, type: asked.type as 'A' };
  return encode({
    type: 'response',
    id: reply.id ?? asked.id,
    flags:
      CODES[code] | (isAuthority ? AUTHORITATIVE_ANSWER : 0) | (reply.isTruncated === true ? TRUNCATED_RESPONSE : 0),
    questions: question === 'none' ? [] : [question ?? own],
    answers: [...answers],
    authorities: [...authorities],
    additionals: [...additionals],
  });
}

export function soa(ttl: number, minimum: number): Answer {
  return { type: 'SOA', name: 'test', ttl, data: { mname: 'ns.test', rname: 'root.test', minimum } };
}

export function a(name: string, address: string, ttl = 10): Answer {
  return { type: 'A', name, ttl, data: address };
}

export function srv(
  name: string,
  target: string,
  fields: Partial<Record<'port' | 'priority' | 'weight', number>> = {},
): Answer {
  const { port = 80, priority = 0, weight = 1 } = fields;
  return { type: 'SRV', name, ttl: 10, data: { target, port, priority, weight } };
}
