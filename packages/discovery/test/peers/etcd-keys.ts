/** Keys of etcd by way of its JSON gateway, so that what our own client writes is judged by somebody else. */
export interface EtcdKeys {
  put(key: string, value: string, lease?: string): Promise<void>;
  erase(key: string): Promise<void>;
  /** Value and lease of a key. */
  get(key: string): Promise<{ value: string; lease: string } | undefined>;
  /** How many keys begin with the prefix. */
  count(prefix: string): Promise<number>;
  revision(): Promise<number>;
  compact(revision: number): Promise<void>;
  revoke(lease: string): Promise<void>;
}

/** `url` is the server's. With a user it is somebody who may. */
export function createEtcdKeys(url: string, user?: { user: string; password: string }): EtcdKeys {
  let token: string | undefined;

  async function ask<T>(path: string, body: object): Promise<T> {
    if (user !== undefined && token === undefined && path !== 'auth/authenticate') {
      const request = { name: user.user, password: user.password };
      token = (await ask<{ token: string }>('auth/authenticate', request)).token;
    }
    const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
    const answer = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body), headers });
    if (!answer.ok) throw new Error(`etcd refused ${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const endOf = (prefix: string): string =>
    base64(prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1));

  return {
    async put(key, value, lease = '0') {
      await ask('kv/put', { key: base64(key), value: base64(value), lease });
    },
    async erase(key) {
      await ask('kv/deleterange', { key: base64(key) });
    },
    async get(key) {
      const { kvs = [] } = await ask<{ kvs?: { value: string; lease?: string }[] }>('kv/range', { key: base64(key) });
      const [found] = kvs;
      if (found === undefined) return undefined;
      return { value: Buffer.from(found.value, 'base64').toString(), lease: found.lease ?? '0' };
    },
    async count(prefix) {
      const request = { key: base64(prefix), range_end: endOf(prefix), count_only: true };
      return Number((await ask<{ count?: string }>('kv/range', request)).count ?? 0);
    },
    async revision() {
      return Number((await ask<{ header: { revision: string } }>('kv/range', { key: base64('x') })).header.revision);
    },
    async compact(revision) {
      await ask('kv/compaction', { revision: String(revision), physical: true });
    },
    async revoke(lease) {
      await ask('lease/revoke', { ID: lease });
    },
  };
}
