import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:http';
import { isIPv6 } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { SpecError, type Credentials, type SourceOptions } from '../../spec.ts';
import type { KubernetesTarget } from './target.ts';

/** An API server, and who we are to it. */
export interface Cluster {
  /** With a path where the API is not at the root; no slash at the end. */
  readonly baseUrl: string;
  /** Asked before each request, since tokens and certificates are short-lived. */
  identify(): Promise<Identity>;
}

export interface Identity {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> & {
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
  /** Of the proxy that leads there, if one does. */
  readonly agent?: Agent;
}

/** Where Kubernetes puts what a pod may know of its own account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Finds the API server: the one that the URL names; else that of the kubeconfig (`?kubeconfig=`, KUBECONFIG,
 * ~/.kube/config); else that of the pod that we run in. Credentials that were given replace those that were found.
 * Throws, with what was looked for, when there is none.
 */
export async function openCluster(
  target: KubernetesTarget,
  { credentials, env, baseDir }: Pick<SourceOptions, 'credentials' | 'env' | 'baseDir'>,
  serviceAccount = SERVICE_ACCOUNT,
): Promise<Cluster> {
  if (target.apiHost !== '') {
    return withCredentials({ baseUrl: `https://${target.apiHost}`, identify: nobody }, credentials);
  }
  const files = kubeconfigsOf(target, env, baseDir);
  if (files.length > 0) {
    // Half a second and 50 MB, which nobody pays who has no kubeconfig.
    const { loadKubeconfig } = await import('./kubeconfig.ts');
    return withCredentials(loadKubeconfig(files, target.context), credentials);
  }
  if (target.context !== undefined) throw new Error(`there is no kubeconfig with a context "${target.context}"`);
  return withCredentials(inPod(env, serviceAccount), credentials);
}

/** API servers take no passwords. Source: Kubernetes 1.19. */
export function checkCredentials({ username, password }: Credentials): void {
  if ((username ?? password) !== undefined) throw new SpecError('Kubernetes takes no password: give a token');
}

function kubeconfigsOf({ kubeconfig }: KubernetesTarget, env: SourceOptions['env'], baseDir: string): string[] {
  if (kubeconfig !== undefined) return [resolve(baseDir, kubeconfig)];
  const named = env['KUBECONFIG']?.split(delimiter).filter((file) => file !== '') ?? [];
  if (named.length > 0) return named.map((file) => resolve(baseDir, file));
  const home = env['HOME'] ?? env['USERPROFILE'];
  const usual = home === undefined ? undefined : join(home, '.kube', 'config');
  return usual !== undefined && existsSync(usual) ? [usual] : [];
}

function inPod(env: SourceOptions['env'], folder: string): Cluster {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host === undefined) {
    throw new Error(
      'no API server: name it (kubernetes://host:port/...), or a kubeconfig (?kubeconfig=), or run in a pod',
    );
  }
  return {
    baseUrl: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    // Kubernetes puts new ones there long before the old ones end.
    async identify() {
      const [token, ca] = await Promise.all([
        readFile(join(folder, 'token'), 'utf8'),
        readFile(join(folder, 'ca.crt'), 'utf8'),
      ]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
    },
  };
}

const nobody = (): Promise<Identity> => Promise.resolve({ headers: {}, tls: {} });

function withCredentials(cluster: Cluster, { token, tls }: Credentials): Cluster {
  if (token === undefined && tls === undefined) return cluster;
  return {
    baseUrl: cluster.baseUrl,
    async identify() {
      const found = await cluster.identify();
      const headers = token === undefined ? found.headers : { ...found.headers, authorization: `Bearer ${token}` };
      return { ...found, headers, tls: { ...found.tls, ...tls } };
    },
  };
}
