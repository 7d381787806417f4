import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '@bascule/core';
import { encodeQuery, readResponse, type DnsQuestion, type DnsResponse } from './message.ts';

export interface DnsServer {
  /** An address. */
  readonly host: string;
  readonly port: number;
}

export interface ExchangeOptions {
  readonly clock: Clock;
  /** Of each of the two ways, UDP and TCP. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Ever more of them are no network that fails, but somebody who guesses ids. */
const MAX_STRANGE_PACKETS = 100;
/** Answers that say "not like this": the server is older than EDNS. */
const WITHOUT_EDNS: ReadonlySet<string> = new Set(['FORMERR', 'NOTIMP', 'EDNS']);

/** Asks one server, and again over TCP when the answer does not fit UDP. Throws with words, but for the server's name. */
export async function exchange(
  server: DnsServer,
  question: DnsQuestion,
  options: ExchangeOptions,
): Promise<DnsResponse> {
  let withEdns = true;
  let response = await askOverUdp(server, question, withEdns, options);
  if (WITHOUT_EDNS.has(response.code)) {
    withEdns = false;
    response = await askOverUdp(server, question, withEdns, options);
  }
  return response.isTruncated ? askOverTcp(server, question, withEdns, options) : response;
}

/** From a port and with an id of its own, and from a connected socket: what comes from elsewhere never gets here. */
function askOverUdp(
  { host, port }: DnsServer,
  question: DnsQuestion,
  withEdns: boolean,
  options: ExchangeOptions,
): Promise<DnsResponse> {
  const id = randomInt(65_536);
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  let strange = 0;
  return within(
    options,
    () => socket.close(),
    (resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (bytes) => {
        const response = readResponse(bytes, id, question);
        if (response !== undefined) resolve(response);
        else if (++strange > MAX_STRANGE_PACKETS) reject(new Error('what it answers is no answer'));
      });
      // Not as the callback of connect, which is called with its failure too: then sending would throw, and nobody catch.
      socket.on('connect', () => socket.send(encodeQuery(id, question, withEdns)));
      socket.connect(port, host);
    },
  );
}

function askOverTcp(
  server: DnsServer,
  question: DnsQuestion,
  withEdns: boolean,
  options: ExchangeOptions,
): Promise<DnsResponse> {
  const id = randomInt(65_536);
  const query = encodeQuery(id, question, withEdns);
  const socket = connect(server);
  const chunks: Buffer[] = [];
  return within(
    options,
    () => socket.destroy(),
    (resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('it closed the connection')));
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        // Two bytes of length, so never more than 64 KiB.
        const bytes = Buffer.concat(chunks);
        if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE()) return;
        const response = readResponse(bytes.subarray(2, 2 + bytes.readUInt16BE()), id, question);
        if (response === undefined || response.isTruncated) reject(new Error('what it answers is no answer'));
        else resolve(response);
      });
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    },
  );
}

type Settle = (resolve: (response: DnsResponse) => void, reject: (error: Error) => void) => void;

async function within(options: ExchangeOptions, close: () => void, begin: Settle): Promise<DnsResponse> {
  const { clock, timeoutMs, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<DnsResponse>();
  const onAbort = (): void => reject(signal.reason);
  const timer = clock.after(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    begin(resolve, reject);
    return await promise;
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? new Error('nobody listens there') : error;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    close();
  }
}
