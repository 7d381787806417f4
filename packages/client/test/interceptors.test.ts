import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamResponse,
} from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { connect } from './support/calls.ts';
import { seeError, toMessages } from './support/scenarios.ts';
import { startServer } from './support/servers.ts';

describe('interceptors', () => {
  it("stand around calls, outermost first, and share a call's own state", async () => {
    await using server = await startServer('2');
    const seen: string[] = [];
    const mark =
      (name: string): Interceptor =>
      (next) => {
        let attempts = 0;
        return async (request) => {
          attempts++;
          seen.push(`${name} ${request.method.name} ${attempts} ${request.requestMethod}`);
          request.header.append('x-sent', name);
          const response = await next(request);
          seen.push(`${name} back`);
          return response;
        };
      };
    await using ours = connect(server.url, { interceptors: [mark('outer'), mark('inner')] });
    await ours.client.say({ value: 'a' });
    await ours.client.say({ value: 'b' });
    const once = ['outer Say 1 POST', 'inner Say 1 POST', 'inner back', 'outer back'];
    expect(seen).toEqual([...once, ...once]);
    expect(server.probe.headers[0]?.get('x-sent')).toBe('outer, inner');
  });

  it('see whole messages, headers and trailers, and may replace messages both ways', async () => {
    await using server = await startServer('2');
    const seen: unknown[] = [];
    const shout: Interceptor = (next) => async (request) => {
      if (request.stream) {
        const response = (await next(request)) as StreamResponse;
        return { ...response, message: shouted(response.message) };
      }
      const message = { ...request.message, value: `${(request.message as { value?: string }).value}!` };
      const response = await next({ ...request, message });
      seen.push(request.message.$typeName, response.header.get('x-seen'), response.trailer.get('x-rest'));
      return response;
    };
    async function* shouted(messages: StreamResponse['message']): AsyncGenerator<never> {
      for await (const message of messages) {
        yield { ...message, value: `${(message as unknown as { value: string }).value}!` } as never;
      }
    }
    await using ours = connect(server.url, { interceptors: [shout] });
    expect((await ours.client.say({ value: 'a' }, { headers: { 'x-sent': 'one' } })).value).toBe('a!');
    expect(seen).toEqual(['google.protobuf.StringValue', 'one', 'a, b']);
    let trailer: Headers | undefined;
    const answers: string[] = [];
    for await (const { value } of ours.client.count({ value: 2 }, { onTrailer: (trailers) => (trailer = trailers) })) {
      answers.push(value);
    }
    expect(answers).toEqual(['1!', '2!']);
    // Spreading a response looks at its trailers before they are there.
    expect(trailer?.get('x-rest')).toBe('a, b');
  });

  it('may call again', async () => {
    await using server = await startServer('2');
    const again: Interceptor = (next) => async (request) => {
      try {
        return await next(request);
      } catch {
        const message = { ...request.message, value: 'second' };
        return next({ ...request, message } as typeof request);
      }
    };
    await using ours = connect(server.url, { interceptors: [again] });
    expect((await ours.client.say({ value: 'fail' })).value).toBe('second');
    expect(server.probe.calls).toBe(2);
  });

  it('see context values', async () => {
    await using server = await startServer('2');
    const key = createContextKey('nobody');
    const seen: string[] = [];
    const read: Interceptor = (next) => (request) => {
      seen.push(request.contextValues.get(key));
      return next(request);
    };
    await using ours = connect(server.url, { interceptors: [read] });
    await ours.client.say({ value: 'a' }, { contextValues: createContextValues().set(key, 'somebody') });
    await ours.client.join(toMessages('a'));
    expect(seen).toEqual(['somebody', 'nobody']);
  });

  it.each(['deadline', 'abort', 'error', 'end'] as const)(
    'hear of the end of a call by its signal: %s',
    async (how) => {
      await using server = await startServer('2');
      const reasons: unknown[] = [];
      const listen: Interceptor = (next) => (request) => {
        request.signal.addEventListener('abort', () => reasons.push(request.signal.reason));
        return next(request);
      };
      await using ours = connect(server.url, { interceptors: [listen] });
      const abort = new AbortController();
      const values = { deadline: 'hang', abort: 'hang', error: 'fail', end: 'a' };
      const options = { signal: abort.signal, ...(how === 'deadline' && { timeoutMs: 50 }) };
      const call = seeError(ours.client.say({ value: values[how] }, options));
      if (how === 'abort') setTimeout(() => abort.abort(), 30);
      const codes = { deadline: 'DeadlineExceeded', abort: 'Canceled', error: 'FailedPrecondition', end: undefined };
      expect((await call)['code']).toBe(codes[how]);
      expect(reasons).toHaveLength(1);
      const code = reasons[0] instanceof ConnectError ? Code[reasons[0].code] : undefined;
      expect(code).toBe(how === 'deadline' || how === 'error' ? codes[how] : undefined);
    },
  );

  it('end a stream with the reason of its signal', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { interceptors: [(next) => (request) => next(request)] });
    const abort = new AbortController();
    const answers: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { value } of ours.client.count({ value: -3 }, { signal: abort.signal })) {
        answers.push(value);
        if (value === '2') abort.abort(new ConnectError('seen enough', Code.Aborted));
      }
    };
    expect(await seeError(read())).toMatchObject({ code: 'Aborted', message: 'seen enough' });
    expect(answers).toEqual(['1', '2']);
    await server.probe.aborted.promise;
  });
});
