import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Cluster, Identity } from './cluster.ts';

/**
 * The cluster of a kubeconfig, with everything that logs in to it: tokens, files, certificates, plugins, OIDC, proxies.
 * Several files are one, as with kubectl. Throws, with the file's name, for one that cannot be read.
 */
export function loadKubeconfig(files: readonly string[], context: string | undefined): Cluster {
  const config = files.map(read).reduce((all, more) => {
    all.mergeConfig(more, true);
    return all;
  });
  const names = config.getContexts().map(({ name }) => name);
  if (context !== undefined) config.setCurrentContext(context);
  const current = config.getCurrentContext();
  if (!names.includes(current)) {
    throw new Error(`${files.join(', ')}: there is no context "${current}"; there are ${names.join(', ') || 'none'}`);
  }
  const server = config.getCurrentCluster()?.server;
  if (server === undefined)
    throw new Error(`${files.join(', ')}: context "${current}" names a cluster that is missing`);
  const hasProxy = config.getCurrentCluster()?.proxyUrl !== undefined;
  return { baseUrl: server.replace(/\/+$/, ''), identify: () => identify(config, hasProxy) };
}

function read(file: string): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    throw new Error(`${file} cannot be read as a kubeconfig: ${(error as Error).message}`, { cause: error });
  }
  return config;
}

async function identify(config: KubeConfig, hasProxy: boolean): Promise<Identity> {
  const { headers, ca, cert, key, servername, rejectUnauthorized, agent } = await httpsOptionsOf(config);
  return {
    headers: Object.fromEntries(
      Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
    ),
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(servername !== undefined && { servername }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    },
    // Its agents outlive the certificates that they were made with, so ours are used where there is no proxy.
    ...(hasProxy && typeof agent === 'object' && { agent }),
  };
}

async function httpsOptionsOf(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw new Error(`the kubeconfig's user cannot log in: ${(error as Error).message}`, { cause: error });
  }
  return options;
}
