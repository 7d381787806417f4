import { compose, systemClock, type CallPolicy, type Layer, type Link, type Service } from '@bascule/core';
import { describeServiceContract } from '@bascule/testing';
import { createDialectLayer, createHttp2Link, listen } from '@bascule/wire';
import { afterEach, describe, expect, it } from 'vitest';
import { createAffinityLayer } from '../src/affinity.ts';
import { createCacheLayer } from '../src/cache/layer.ts';
import { createExplainLayer } from '../src/explain.ts';
import { decodeExplanation } from '../src/explain-text.ts';
import { createFirstMessageLayer } from '../src/first-message.ts';
import { createMirrorLayer } from '../src/mirror/layer.ts';
import type { MirrorDiff } from '../src/mirror/comparison.ts';

const clock = systemClock;
const opened: (() => Promise<void> | void)[] = [];
afterEach(closeAll);

async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).toReversed()) await close();
}

async function serve(service: Service): Promise<number> {
  const listener = await listen({ host: '127.0.0.1', port: 0, service, clock });
  opened.push(() => listener.close(0));
  return listener.port;
}

function linkTo(port: number): Link {
  const link = createHttp2Link({ host: '127.0.0.1', port, clock });
  opened.push(() => link.destroy());
  return link;
}

const field = { path: 'id', jsonNames: ['id'], numbers: [1], type: 'string' } as const;
const POLICY: CallPolicy = {
  affinity: { keys: [{ from: 'field', field }], sticky: { cookie: 'at', ttlMs: 60_000, path: '/' } },
  mirror: { cluster: 'shadow', percent: 100, diff: true },
};

function route(policy: CallPolicy): Layer {
  return (next) => (head, reply) => {
    head.call.policy = policy;
    head.call.method = { service: 'a.B', method: 'Get', kind: 'unary', idempotency: 'no_side_effects' };
    return next(head, reply);
  };
}

/** Reads as fast as it can and says nothing until the end. */
const reader: Service = (_head, reply) => ({
  write: (bytes) => reply.grant(bytes.length),
  end: () => reply.end(['grpc-status', '0']),
  cancel() {},
  grant() {},
});

describeServiceContract(
  'layers of traffic between HTTP/2 connections',
  async (callee) => {
    const shadow = linkTo(await serve(reader));
    const layers = [
      createFirstMessageLayer({ maxBytes: 65_536, maxWaitMs: 20 }),
      createAffinityLayer({ clock }),
      createMirrorLayer({ clock, service: shadow.service, lingerMs: 50, onDiff() {} }),
    ];
    const back = linkTo(await serve(callee));
    const front = linkTo(await serve(compose([route(POLICY), ...layers], back.service)));
    return { service: front.service, close: closeAll };
  },
  {
    except: {
      fail: 'HTTP has no word for it: the listener answers with the HTTP status of the code',
    },
  },
);

describe('a JSON call over HTTP/1.1', () => {
  /** Answers with who it is and what it was asked, and writes down what came. */
  function createBackend(name: string): { service: Service; asked: string[] } {
    const asked: string[] = [];
    const service: Service = (_head, reply) => {
      let request = Buffer.alloc(0);
      return {
        write: (bytes) => void (request = Buffer.concat([request, bytes])),
        end() {
          const text = request.subarray(5).toString();
          asked.push(text);
          const message = Buffer.from(JSON.stringify({ name, text }));
          const prefix = Buffer.alloc(5);
          prefix.writeUInt32BE(message.length, 1);
          reply.head({ status: 200, fields: ['content-type', 'application/grpc+json'] });
          reply.write(Buffer.concat([prefix, message]));
          reply.end(['grpc-status', '0']);
        },
        cancel() {},
        grant() {},
      };
    };
    return { service, asked };
  }

  async function start(policy: CallPolicy) {
    const back = createBackend('back');
    const shadow = createBackend('shadow');
    const diffs: MirrorDiff[] = [];
    const hashes: unknown[] = [];
    const backLink = linkTo(await serve(back.service));
    const layers: Layer[] = [
      createDialectLayer({ clock, maxMessageBytes: 100_000, other: back.service }),
      createExplainLayer({ clock, allowed: () => 'yes' }),
      route(policy),
      createFirstMessageLayer({ maxBytes: 65_536 }),
      createAffinityLayer({ clock }),
      createCacheLayer({ clock }),
      createMirrorLayer({
        clock,
        service: linkTo(await serve(shadow.service)).service,
        onDiff: (_head, diff) => void diffs.push(diff),
      }),
    ];
    const port = await serve(
      compose(layers, (head, reply) => {
        hashes.push(head.call.affinity?.hash);
        head.call.endpoint = { instanceId: 'back-1' } as typeof head.call.endpoint;
        return backLink.service(head, reply);
      }),
    );
    const ask = async (message: unknown, headers: Record<string, string> = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}/a.B/Get`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-protocol-version': '1', ...headers },
        body: JSON.stringify(message),
      });
      return { response, answer: (await response.json()) as { name: string; text: string } };
    };
    return { ask, back, shadow, diffs, hashes };
  }

  it('is placed by a field of its message, keeps to its endpoint, and is mirrored', async () => {
    const { ask, shadow, diffs, hashes } = await start(POLICY);
    const first = await ask({ id: 'anna', n: 1 });
    expect(first.answer).toEqual({ name: 'back', text: '{"id":"anna","n":1}' });
    const cookie = first.response.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/^at=[\w-]+\.[\da-z]+; Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/);
    const again = await ask({ id: 'anna', n: 2 }, { cookie: cookie.split(';')[0] as string });
    expect(again.response.headers.get('set-cookie')).toBeNull();
    await ask({ id: 'bert' });
    expect(hashes[0]).toBeDefined();
    expect(hashes[1]).toEqual(hashes[0]);
    expect(hashes[2]).not.toEqual(hashes[0]);
    await expect.poll(() => diffs.length).toBe(3);
    expect(diffs[0]).toMatchObject({ kind: 'message' });
    expect(shadow.asked).toContain('{"id":"anna","n":2}');
  });

  it('is answered from the cache, and says so', async () => {
    const { ask, back } = await start({ cache: { ttlMs: 60_000, maxBytes: 1_000_000 } });
    const first = await ask({ id: 'anna' });
    expect(first.response.headers.get('age')).toBeNull();
    const again = await ask({ id: 'anna' }, { 'bascule-explain': '1' });
    expect(again.answer).toEqual(first.answer);
    expect(again.response.headers.get('age')).toBe('0');
    const told = decodeExplanation(again.response.headers.get('trailer-bascule-explain') ?? '');
    expect(told?.notes[0]).toBe('cache: answered with what is kept, 0 s old');
    await ask({ id: 'bert' });
    expect(back.asked).toHaveLength(2);
  });
});
