/** Writes to Eureka past our registrar, as its own clients do. */
export interface EurekaHand {
  /** `instance` overrides what an instance says by default. */
  register(app: string, instance: object): Promise<void>;
  get(app: string, id: string): Promise<Record<string, unknown>>;
  ask(method: string, path: string, body?: object): Promise<unknown>;
}

/** `url` ends in `/eureka`. */
export function createEurekaHand(url: string): EurekaHand {
  const headers = { accept: 'application/json', 'content-type': 'application/json' };

  async function ask(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  return {
    ask,
    async register(app, instance) {
      await ask('POST', `/apps/${app}`, {
        instance: { ...DEFAULTS, app, lastDirtyTimestamp: String(Date.now()), ...instance },
      });
    },
    async get(app, id) {
      const { instance } = (await ask('GET', `/apps/${app}/${id}`)) as { instance: Record<string, unknown> };
      return instance;
    },
  };
}

const DEFAULTS = {
  hostName: 'localhost',
  ipAddr: '127.0.0.1',
  status: 'UP',
  port: { $: 8080, '@enabled': 'true' },
  securePort: { $: 443, '@enabled': 'false' },
  dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
  leaseInfo: { durationInSecs: 60, renewalIntervalInSecs: 20 },
};
