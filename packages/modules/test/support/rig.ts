import {
  fromBinary,
  toBinary,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  createCallContext,
  endpointKey,
  outcomeOfEnd,
  outcomeOfFail,
  systemClock,
  type Body,
  type Link,
  type Outcome,
  type Reply,
} from '@bascule/core';
import { createPortLink } from '@bascule/wire';
import { onTestFinished } from 'vitest';
import { RankingService, type RankResponse } from '../../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createModules, type LogEvent, type ModuleGroup, type ModuleLimits, type Modules } from '../../src/index.ts';

/** Modules with one data thread in front, as the gateway has. */
export interface Rig {
  readonly modules: Modules;
  readonly log: LogEvent[];
  /** Resolves with the first event, past or to come, that fits. */
  logged(fits: (event: LogEvent) => boolean): Promise<LogEvent>;
  /** The groups as last published. */
  groups(): readonly ModuleGroup[];
  /** Resolves when the groups were published for the nth time; counts from 1. */
  published(times: number): Promise<void>;
  /** Makes the next publications fail, or never end; one where nothing is said. */
  failNextPublish(how?: 'reject' | 'hang', times?: number): void;
  rank(callId: string): Promise<{ outcome: Outcome; response: RankResponse | undefined; trailers: readonly string[] }>;
  /** Calls any method, `t.A/Get`, with an empty message, over the way to the module that the test rig knows. */
  call(path: string, module: string): Promise<Outcome>;
  watch(callId: string): Stream;
  close(): Promise<void>;
}

interface Stream {
  /** Messages until now. */
  readonly messages: MessageShape<typeof RankingService.method.watch.output>[];
  /** Resolves when there are at least so many. */
  reached(count: number): Promise<void>;
  cancel(): void;
  readonly ended: Promise<Outcome>;
}

const SHORT: Partial<ModuleLimits> = { spareWorker: false, restartFirstMs: 10 };

/** Starts modules in a state folder; they end with the test. */
export async function startRig(stateDir: string, limits: Partial<ModuleLimits> = {}): Promise<Rig> {
  const links = new Map<string, Link>();
  const log: LogEvent[] = [];
  const waiting = new Set<() => void>();
  let groups: readonly ModuleGroup[] = [];
  let publications = 0;
  let failing: { how: 'reject' | 'hang'; times: number } = { how: 'reject', times: 0 };
  const wake = (): void => [...waiting].forEach((check) => check());
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  const modules = await createModules({
    stateDir,
    clock: systemClock,
    limits: { ...SHORT, ...limits },
    log(event) {
      log.push(event);
      wake();
    },
    async publish(next) {
      if (failing.times > 0) {
        failing.times--;
        if (failing.how === 'hang') return new Promise(() => undefined);
        throw new Error('the data thread is gone');
      }
      const keys = next.map(({ endpoint }) => endpointKey(endpoint));
      for (const key of keys) if (!links.has(key)) links.set(key, createPortLink(modules.openPort(key), systemClock));
      groups = next;
      publications++;
      wake();
      for (const [key, link] of links) {
        if (keys.includes(key)) continue;
        links.delete(key);
        void link.close();
      }
    },
  });
  const close = async (): Promise<void> => {
    await modules.close();
    for (const link of links.values()) link.destroy();
    links.clear();
  };
  onTestFinished(close);

  const start = (method: DescMethodUnary | DescMethodServerStreaming, request: Uint8Array, reply: Reply): Body => {
    const group = groups.find(({ endpoint }) => endpoint.services.includes(method.parent.typeName));
    const link = group === undefined ? undefined : links.get(endpointKey(group.endpoint));
    if (link === undefined) throw new Error(`nobody serves ${method.parent.typeName}`);
    const body = link.service(
      {
        method: 'POST',
        path: `/${method.parent.typeName}/${method.name}`,
        authority: '',
        scheme: 'http',
        fields: ['content-type', 'application/grpc+proto', 'te', 'trailers'],
        call: createCallContext('test', systemClock.nowMs(), ''),
      },
      reply,
    );
    body.write(frame(request));
    body.end();
    return body;
  };
  const call = (path: string, module: string): Promise<Outcome> =>
    new Promise((resolve) => {
      const endpoint = groups.find((group) => group.module === module)?.endpoint;
      const link = endpoint === undefined ? undefined : links.get(endpointKey(endpoint));
      if (link === undefined) throw new Error(`module ${module} does not run`);
      const fields = ['content-type', 'application/grpc+proto', 'te', 'trailers'];
      const context = createCallContext('test', systemClock.nowMs(), '');
      const body = link.service(
        { method: 'POST', path: `/${path}`, authority: '', scheme: 'http', fields, call: context },
        {
          head: () => undefined,
          write: () => undefined,
          end: (trailers) => resolve(outcomeOfEnd(undefined, trailers)),
          fail: (error) => resolve(outcomeOfFail(error)),
          grant: () => undefined,
        },
      );
      body.write(frame(new Uint8Array()));
      body.end();
    });
  const { rank, watch } = RankingService.method;
  return {
    modules,
    log,
    async logged(fits) {
      await until(() => log.some(fits));
      return log.find(fits) as LogEvent;
    },
    groups: () => groups,
    published: (times) => until(() => publications >= times),
    failNextPublish(how = 'reject', times = 1) {
      failing = { how, times };
    },
    rank: (callId) =>
      new Promise((resolve) => {
        const reader = createMessageReader();
        let trailers: readonly string[] = [];
        const end = (outcome: Outcome): void => {
          const bytes = reader.messages[0];
          resolve({ outcome, trailers, response: bytes === undefined ? undefined : fromBinary(rank.output, bytes) });
        };
        const request = toBinary(rank.input, { $typeName: 'demo.ranking.v1.RankRequest', callId, candidates: [] });
        start(rank, request, {
          head: () => undefined,
          write: (bytes) => reader.write(bytes),
          end(fields) {
            trailers = fields;
            end(outcomeOfEnd(undefined, fields));
          },
          fail: (error) => end(outcomeOfFail(error)),
          grant: () => undefined,
        });
      }),
    call,
    watch(callId) {
      const messages: Stream['messages'] = [];
      const reader = createMessageReader();
      const ended = Promise.withResolvers<Outcome>();
      const request = toBinary(watch.input, {
        $typeName: 'demo.ranking.v1.WatchRequest',
        callId,
        candidates: [],
        intervalMs: 10,
      });
      const body = start(watch, request, {
        head: () => undefined,
        write(bytes) {
          reader.write(bytes);
          messages.push(...reader.messages.splice(0).map((message) => fromBinary(watch.output, message)));
          queueMicrotask(() => body.grant(bytes.length));
          wake();
        },
        end: (fields) => ended.resolve(outcomeOfEnd(undefined, fields)),
        fail: (error) => ended.resolve(outcomeOfFail(error)),
        grant: () => undefined,
      });
      return {
        messages,
        reached: (count) => until(() => messages.length >= count),
        cancel: () => body.cancel('caller-gone'),
        ended: ended.promise,
      };
    },
    close,
  };
}

function frame(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function createMessageReader(): { messages: Uint8Array[]; write(bytes: Uint8Array): void } {
  const messages: Uint8Array[] = [];
  let rest: Buffer = Buffer.alloc(0);
  return {
    messages,
    write(bytes) {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        messages.push(rest.subarray(5, end));
        rest = rest.subarray(end);
      }
    },
  };
}
