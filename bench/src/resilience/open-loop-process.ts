import { echoProbe } from '../drivers/echo-probe.ts';
import { Connection } from '../drivers/connection.ts';
import { answerLines, say } from '../drivers/lines.ts';
import { toCallId } from '../drivers/probe.ts';
import { encodeUnaryRequest } from '../grpc-web/request.ts';
import { NO_CODE, readUnaryAnswer } from '../grpc-web/unary-answer.ts';
import { nowMs, wait } from '../time.ts';

export interface OpenLoopOptions {
  readonly port: number;
  /** Sets its call ids apart from those of other drivers. */
  readonly driver: number;
  /** Deadline that each call carries. */
  readonly timeoutMs: number;
}

/** One call. Moments are of the machine's monotonic clock. */
export interface OpenLoopCall {
  readonly callId: string;
  /** When it was to start; its latency counts from here. */
  readonly dueMs: number;
  readonly endedMs: number;
  /** `grpc-status`, or -1 where none came. */
  readonly code: number;
  /** Empty for one that was answered well. */
  readonly fault: string;
}

type Command = { readonly do: 'start'; readonly perSecond: number } | { readonly do: 'stop' };

const TICK_MS = 1;
/** After their deadline calls are lost. */
const LATE_MS = 3_000;

/** Calls come at equal distances, whatever became of those before: each takes an idle connection, or a new one. */
export async function run({ port, driver, timeoutMs }: OpenLoopOptions): Promise<void> {
  const placeholder = toCallId(driver, 0);
  const fields = [`grpc-timeout: ${timeoutMs}m`];
  const template = encodeUnaryRequest(`127.0.0.1:${port}`, echoProbe.path, echoProbe.encode(placeholder), fields);
  const idAt = template.indexOf(placeholder);
  const idle: Connection[] = [];
  /** Calls on their way, by their connection. */
  const open = new Map<Connection, { readonly callId: string; readonly dueMs: number }>();
  let calls: OpenLoopCall[] = [];
  let count = 0;
  let pacing: NodeJS.Timeout | undefined;

  function finish(connection: Connection, code: number, fault: string): void {
    const call = open.get(connection);
    if (call === undefined) return;
    open.delete(connection);
    calls.push({ ...call, endedMs: nowMs(), code, fault });
  }

  function onIdle(connection: Connection): void {
    // One that is new has its call already.
    if (open.has(connection)) connection.send();
    else idle.push(connection);
  }

  function connect(): Connection {
    const connection = new Connection({
      host: '127.0.0.1',
      port,
      onIdle,
      onAnswer(of, http) {
        const { code, message, fault } = readUnaryAnswer(http);
        finish(of, code, fault || echoProbe.check(open.get(of)?.callId ?? '', message));
      },
      onLost: (of, why) => finish(of, NO_CODE, why),
    });
    connection.request = Buffer.from(template);
    return connection;
  }

  function call(dueMs: number): void {
    let connection = idle.pop();
    while (connection !== undefined && !connection.isIdle()) connection = idle.pop();
    const taken = connection ?? connect();
    const callId = toCallId(driver, ++count);
    taken.request.write(callId, idAt, 'latin1');
    open.set(taken, { callId, dueMs });
    if (taken.isIdle()) taken.send();
  }

  say({ ready: true });
  await answerLines(async (line) => {
    const command = line as Command;
    if (command.do === 'start') {
      calls = [];
      const startMs = nowMs();
      let due = 0;
      pacing = setInterval(() => {
        for (; startMs + (due * 1000) / command.perSecond <= nowMs(); due++) {
          call(startMs + (due * 1000) / command.perSecond);
        }
      }, TICK_MS);
      return {};
    }
    clearInterval(pacing);
    const stoppedMs = nowMs();
    while (open.size > 0 && nowMs() - stoppedMs < timeoutMs + LATE_MS) await wait(5);
    for (const connection of open.keys()) {
      finish(connection, NO_CODE, 'no answer, long after its deadline');
      connection.close();
    }
    return { calls };
  });
}
