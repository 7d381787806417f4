import type { ServerResponse } from 'node:http';
import { sendJson, startStub, type StubServer } from './stub-server.ts';

/** Plays Consul for one service, badly where told to. */
export interface FakeConsul extends StubServer {
  /** What it says from now on; whoever waits is answered. */
  say(change: Partial<Said>): void;
  /** The same, but whoever waits goes on to wait, as for an index that a new history is far from. */
  begin(change: Partial<Said>): void;
}

export interface Said {
  readonly index: number | string;
  readonly entries: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly leader: string;
  /** Answers every query of the service with this instead, when it is set. */
  readonly instead: ((response: ServerResponse) => void) | undefined;
}

/** An entry as Consul writes it, of an instance that is not ours. */
export function entry(id: string, overrides: { node?: object; service?: object; checks?: unknown } = {}): object {
  return {
    Node: { ID: 'n', Node: 'node-1', Address: '10.0.0.1', Datacenter: 'dc1', ModifyIndex: 1, ...overrides.node },
    Service: {
      ID: id,
      Service: 'web',
      Address: '',
      Port: 80,
      Tags: [],
      Meta: {},
      CreateIndex: 5,
      ModifyIndex: 5,
      ...overrides.service,
    },
    Checks: overrides.checks ?? [],
  };
}

export async function startFakeConsul(first: Partial<Said> = {}): Promise<FakeConsul> {
  let said: Said = {
    index: 10,
    entries: [entry('a')],
    headers: {},
    leader: '10.0.0.1:8300',
    instead: undefined,
    ...first,
  };
  const waiting = new Set<ServerResponse>();

  function answer(response: ServerResponse): void {
    if (said.instead !== undefined) said.instead(response);
    else sendJson(response, said.entries, { 'x-consul-index': String(said.index), ...said.headers });
  }

  const stub = await startStub((request, response) => {
    const url = new URL(request.url ?? '/', 'http://consul');
    if (url.pathname === '/v1/status/leader') return sendJson(response, said.leader);
    const isNews = Number(url.searchParams.get('index') ?? 0) !== said.index;
    if (isNews || said.instead !== undefined) return answer(response);
    waiting.add(response);
    response.on('close', () => waiting.delete(response));
  });
  return Object.assign(stub, {
    begin: (change: Partial<Said>) => void (said = { ...said, ...change }),
    say(change: Partial<Said>) {
      said = { ...said, ...change };
      for (const response of waiting) answer(response);
      waiting.clear();
    },
  });
}
