import type { Clock } from '@bascule/core';
import type { Credentials } from '../../spec.ts';
import { HttpError } from '../http-answer.ts';
import type { HttpClient, HttpRequest } from '../http.ts';
import { isObject, numberAt, textAt } from '../json.ts';
import { quoteStart } from '../quote.ts';
import type { NacosTarget } from './target.ts';

/** Where an instance is, which is what Nacos knows it by. */
export interface NacosAddress {
  readonly service: string;
  readonly ip: string;
  readonly port: number;
}

/** Asks Nacos, as who the credentials say. */
export interface NacosClient {
  /** Instances of a service, healthy or not; none for a service that is not known. */
  list(service: string, signal: AbortSignal): Promise<readonly unknown[]>;
  /** Makes an instance known, or replaces the one at its address. */
  register(address: NacosAddress, what: { weight: number; metadata: string }, signal: AbortSignal): Promise<void>;
  /** False when Nacos does not know it. */
  renew(address: NacosAddress, signal: AbortSignal): Promise<boolean>;
  /** That it is not known is no error. */
  deregister(address: NacosAddress, signal: AbortSignal): Promise<void>;
}

export interface NacosClientOptions {
  readonly http: HttpClient;
  readonly target: NacosTarget;
  readonly credentials: Credentials;
  readonly clock: Clock;
}

const INSTANCE = '/nacos/v3/client/ns/instance';
const LOGIN = '/nacos/v3/auth/user/login';
const SUCCESS = 0;
const NOT_FOUND = 21_003;
/** Of a token's life that it is used for. */
const SHARE_OF_LIFE = 0.8;

export function createNacosClient({ http, target, credentials, clock }: NacosClientOptions): NacosClient {
  let session: { readonly token: string; readonly untilMs: number } | undefined;
  const place = { namespaceId: target.namespace, groupName: target.group };
  const toForm = ({ service, ip, port }: NacosAddress): Record<string, string> => ({
    ...place,
    serviceName: service,
    ip,
    port: String(port),
    clusterName: target.cluster,
    ephemeral: 'true',
  });

  /** Nacos lists one cluster when it is asked for none. */
  function toListQuery(serviceName: string): string {
    const what = { ...place, serviceName, clusterName: target.cluster, healthyOnly: 'false' };
    return new URLSearchParams(what).toString();
  }

  async function tokenOf(signal: AbortSignal): Promise<string | undefined> {
    const { token, username, password = '' } = credentials;
    if (token !== undefined || username === undefined) return token;
    if (session !== undefined && clock.nowMs() < session.untilMs) return session.token;
    const answer = (await http.ask({ method: 'POST', path: LOGIN, form: { username, password }, signal })).json();
    const given = isObject(answer) ? textAt(answer, 'accessToken') : '';
    if (!isObject(answer) || given === '') throw new Error('Nacos answers a login without a token');
    const lifeMs = (numberAt(answer, 'tokenTtl') || 0) * 1_000 * SHARE_OF_LIFE;
    session = { token: given, untilMs: clock.nowMs() + lifeMs };
    return given;
  }

  /** Nacos says no with a code, and with status 200 more often than not. */
  async function ask(request: HttpRequest): Promise<{ readonly code: number; readonly data: unknown }> {
    const token = await tokenOf(request.signal);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    try {
      const answer = (await http.ask({ ...request, headers })).json();
      const code = isObject(answer) ? numberAt(answer, 'code') : NaN;
      if (isObject(answer) && (code === SUCCESS || code === NOT_FOUND)) return { code, data: answer['data'] };
      throw new Error(`Nacos answers ${request.method} ${INSTANCE} with ${quoteStart(JSON.stringify(answer))}`);
    } catch (error) {
      // It may have been restarted with another key, or our rights have changed.
      if (error instanceof HttpError && (error.status === 401 || error.status === 403)) session = undefined;
      throw error;
    }
  }

  return {
    async list(service, signal) {
      const { data } = await ask({ method: 'GET', path: `${INSTANCE}/list?${toListQuery(service)}`, signal });
      if (Array.isArray(data)) return data as unknown[];
      throw new Error(`Nacos answers with something that is no list of ${service}`);
    },
    async register(address, { weight, metadata }, signal) {
      const form = { ...toForm(address), weight: String(weight), metadata };
      await ask({ method: 'POST', path: INSTANCE, form, signal });
    },
    async renew(address, signal) {
      const form = { ...toForm(address), heartBeat: 'true' };
      return (await ask({ method: 'POST', path: INSTANCE, form, signal })).code === SUCCESS;
    },
    async deregister(address, signal) {
      const query = new URLSearchParams(toForm(address)).toString();
      await ask({ method: 'DELETE', path: `${INSTANCE}?${query}`, signal });
    },
  };
}
