import { HttpError } from '../http-answer.ts';
import type { HttpClient, HttpRequest } from '../http.ts';
import { isObject, objectAt, type JsonObject } from '../json.ts';

/** What an instance asks Eureka about itself. */
export interface InstanceClient {
  /** What Eureka has, which is not one of its kept answers; undefined for nothing. */
  get(signal: AbortSignal): Promise<JsonObject | undefined>;
  /** Makes it known, or replaces it. */
  register(body: JsonObject, signal: AbortSignal): Promise<void>;
  /** False when Eureka does not know it. */
  renew(signal: AbortSignal): Promise<boolean>;
  /** Over what a registration says: Eureka believes no registration that one that is up is not, but DOWN and STARTING. */
  setStatus(status: string, signal: AbortSignal): Promise<void>;
  /** Takes that back: it is up. */
  clearStatus(signal: AbortSignal): Promise<void>;
  remove(signal: AbortSignal): Promise<void>;
}

export interface InstanceClientOptions {
  readonly http: HttpClient;
  /** Of Eureka's API. */
  readonly path: string;
  readonly app: string;
  readonly instanceId: string;
}

export function createInstanceClient({ http, path, app, instanceId }: InstanceClientOptions): InstanceClient {
  const appPath = `${path}/apps/${encodeURIComponent(app)}`;
  const instancePath = `${appPath}/${encodeURIComponent(instanceId)}`;

  /** False when Eureka does not know the instance. */
  async function ask(request: HttpRequest): Promise<boolean> {
    try {
      await http.ask(request);
      return true;
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return false;
      throw error;
    }
  }

  return {
    async get(signal) {
      try {
        const answer = (await http.ask({ method: 'GET', path: instancePath, signal })).json();
        return isObject(answer) ? objectAt(answer, 'instance') : undefined;
      } catch (error) {
        if (error instanceof HttpError && error.status === 404) return undefined;
        throw error;
      }
    },
    register: async (body, signal) => void (await http.ask({ method: 'POST', path: appPath, body, signal })),
    renew: (signal) => ask({ method: 'PUT', path: instancePath, signal }),
    async setStatus(status, signal) {
      await ask({ method: 'PUT', path: `${instancePath}/status?value=${status}`, signal });
    },
    async clearStatus(signal) {
      await ask({ method: 'DELETE', path: `${instancePath}/status?value=UP`, signal });
    },
    async remove(signal) {
      await ask({ method: 'DELETE', path: instancePath, signal });
    },
  };
}
