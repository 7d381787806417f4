import { encodeUnaryRequest } from '../grpc-web/request.ts';
import { readField, type HttpAnswer } from '../grpc-web/response-reader.ts';
import { NO_CODE, readUnaryAnswer, type UnaryAnswer } from '../grpc-web/unary-answer.ts';
import { nowMs, wait } from '../time.ts';
import { Connection } from './connection.ts';
import { toCallId, type Probe } from './probe.ts';
import { createTally, type UnaryReport } from './unary-report.ts';

export interface UnaryDriverOptions {
  readonly host: string;
  readonly port: number;
  readonly probe: Probe;
  /** Sets its call ids apart from those of other drivers. */
  readonly driver: number;
  /** Whether each call is kept for the report, with what the gateway says of it in fields of its answer. */
  readonly keepCalls: boolean;
}

export interface UnaryDriver {
  /** Opens connections, and closes those of before. */
  connect(connections: number): Promise<void>;
  /** Calls without pause on every connection, or `perSecond` times a second over all of them. */
  start(perSecond: number | undefined): void;
  /** Starts no more calls, waits for those under way, tells how all went since `start`. */
  stop(): Promise<UnaryReport>;
  /** Closes all connections. */
  close(): void;
}

/** A call that has no answer by then, after the last one was started, is lost. Longer than the gateway's own deadline. */
const LAST_ANSWER_MS = 17_000;
const TICK_MS = 1;

/** Makes gRPC-Web calls as cheaply as Node can, and believes no answer before it has looked at every part of it. */
export function createUnaryDriver(options: UnaryDriverOptions): UnaryDriver {
  const { host, port, probe, driver, keepCalls } = options;
  const authority = `${host}:${port}`;
  const placeholder = toCallId(driver, 0);
  const template = encodeUnaryRequest(authority, probe.path, probe.encode(placeholder));
  const idAt = template.indexOf(placeholder);
  let connections: Connection[] = [];
  let tally = createTally(keepCalls);
  let mode: 'stopped' | 'closed-loop' | 'paced' = 'stopped';
  let pacing: NodeJS.Timeout | undefined;
  let calls = 0;

  function call(connection: Connection): void {
    connection.callId = toCallId(driver, ++calls);
    connection.request.write(connection.callId, idAt, 'latin1');
    connection.startedMs = nowMs();
    tally.started();
    connection.send();
  }

  function onAnswer(connection: Connection, http: HttpAnswer): void {
    const answer = readUnaryAnswer(http);
    const fault = answer.fault || probe.check(connection.callId, answer.message);
    finish(connection, { ...answer, fault }, http.head);
    if (fault === '' && probe.versionOf !== undefined) tally.answeredBy(probe.versionOf(answer.message), nowMs());
  }

  function finish(
    { callId, startedMs }: Connection,
    { code, fault }: Omit<UnaryAnswer, 'message'>,
    head: string,
  ): void {
    const endedMs = nowMs();
    tally.ended(endedMs - startedMs, fault);
    if (!keepCalls) return;
    const attempts = Number(readField(head, 'bascule-attempts') ?? 0);
    const endpoint = readField(head, 'bascule-endpoint') ?? '';
    tally.keep({ callId, startedMs, endedMs, code, fault, attempts, endpoint });
  }

  function pace(perSecond: number): void {
    const startMs = nowMs();
    let planned = 0;
    let next = 0;
    pacing = setInterval(() => {
      const due = Math.floor(((nowMs() - startMs) * perSecond) / 1000);
      for (; planned < due; planned++) tally.planned();
      // What finds no idle connection is made up for later: planned calls that never start show in the report.
      for (let tries = 0; tries < connections.length && tally.behind() > 0; tries++) {
        const connection = connections[next++ % connections.length] as Connection;
        if (connection.isIdle()) call(connection);
      }
    }, TICK_MS);
  }

  return {
    async connect(count) {
      for (const connection of connections) connection.close();
      await new Promise<void>((resolve) => {
        let missing = count;
        const ready = new Set<Connection>();
        connections = Array.from({ length: count }, () => {
          const connection = new Connection({
            host,
            port,
            onIdle(idle) {
              if (mode === 'closed-loop') return call(idle);
              if (ready.has(idle)) return;
              ready.add(idle);
              if (--missing === 0) resolve();
            },
            onAnswer,
            onLost: (lost, why) => finish(lost, { code: NO_CODE, fault: why }, ''),
          });
          connection.request = Buffer.from(template);
          return connection;
        });
      });
    },
    start(perSecond) {
      tally = createTally(keepCalls);
      mode = perSecond === undefined ? 'closed-loop' : 'paced';
      if (perSecond !== undefined) return pace(perSecond);
      for (const connection of connections) if (connection.isIdle()) call(connection);
    },
    async stop() {
      mode = 'stopped';
      clearInterval(pacing);
      const stoppedMs = nowMs();
      while (connections.some((connection) => connection.isBusy()) && nowMs() - stoppedMs < LAST_ANSWER_MS)
        await wait(5);
      for (const connection of connections) {
        if (!connection.isBusy()) continue;
        finish(connection, { code: NO_CODE, fault: `no answer in ${LAST_ANSWER_MS} ms` }, '');
        connection.close();
      }
      return tally.report(stoppedMs);
    },
    close() {
      for (const connection of connections) connection.close();
    },
  };
}
