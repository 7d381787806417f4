/** Writes to Consul past our registrar, as others would. */
export interface ConsulHand {
  register(definition: object): Promise<void>;
  deregister(id: string): Promise<void>;
  service(id: string): Promise<{ Address: string; Port: number; Meta: Record<string, string> }>;
  put(path: string, body?: object): Promise<void>;
  get(path: string): Promise<unknown>;
}

/** `url` is the agent's. */
export function createConsulHand(url: string, token?: string): ConsulHand {
  const headers: Record<string, string> = token === undefined ? {} : { 'x-consul-token': token };

  async function ask(method: string, path: string, body?: object): Promise<Response> {
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  return {
    register: async (definition) => void (await ask('PUT', '/v1/agent/service/register', definition)),
    deregister: async (id) => void (await ask('PUT', `/v1/agent/service/deregister/${id}`)),
    service: async (id) =>
      (await (await ask('GET', `/v1/agent/service/${id}`)).json()) as Awaited<ReturnType<ConsulHand['service']>>,
    put: async (path, body) => void (await ask('PUT', path, body)),
    get: async (path) => (await ask('GET', path)).json(),
  };
}
