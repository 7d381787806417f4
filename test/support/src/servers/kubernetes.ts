import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { startEtcd, type EtcdServer } from './etcd.ts';
import { makeFolder } from './folders.ts';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

/** The API server alone: no node, no controller. Pausing, killing and restarting mean it, not its etcd. */
export interface KubernetesServer extends RealServer {
  /** The namespace that exists besides `default`, and that `readOnlyToken` is limited to. */
  readonly namespace: string;
  /** PEM of whom to trust; the same in `caFile`. An empty restart keeps it, as it keeps the tokens. */
  readonly ca: string;
  readonly caFile: string;
  /** May do everything; the same in `adminTokenFile`. */
  readonly adminToken: string;
  readonly adminTokenFile: string;
  /** May get, list and watch EndpointSlices in `namespace`, by a Role, and nothing else. */
  readonly readOnlyToken: string;
  /** Where it keeps everything. */
  readonly store: EtcdServer;
  /** Asks it as the administrator; resolves with the status and the answer's JSON. */
  ask(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly json: unknown }>;
}

const NAMESPACE = 'bascule';
const READER = 'reader';

/** kube-apiserver with RBAC, static tokens and its own etcd. */
export async function startKubernetes(): Promise<KubernetesServer> {
  const { apiserver } = programs('kubernetes');
  const folder = makeFolder('kubernetes-keys');
  const inFolder = (name: string): string => join(folder.path, name);
  const [port] = (await freePorts(1)) as [number];
  const [adminToken, readOnlyToken] = [randomUUID(), randomUUID()];
  const caFile = inFolder('apiserver.crt');
  const adminTokenFile = inFolder('admin-token');
  writeFileSync(adminTokenFile, adminToken, { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(inFolder('service-account.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(inFolder('tokens.csv'), `${adminToken},admin,1,system:masters\n${readOnlyToken},${READER},2\n`);
  const store = await startEtcd();

  const ask: KubernetesServer['ask'] = (method, path, body) =>
    askHttps({ method, port, path, ca: readFileSync(caFile), token: adminToken }, body);
  const put = async (path: string, body: object): Promise<void> => {
    const { status, json } = await ask('POST', path, body);
    if (status >= 300) throw new Error(`kubernetes refused POST ${path}: ${JSON.stringify(json)}`);
  };

  let isFirstStart = true;
  const running = await runServer({
    name: 'kubernetes',
    port,
    url: `https://127.0.0.1:${port}`,
    async prepare() {
      if (!isFirstStart) await store.restart({ empty: true });
      isFirstStart = false;
    },
    command: () => ({
      file: apiserver,
      args: [
        `--etcd-servers=${store.url}`,
        '--bind-address=127.0.0.1',
        `--secure-port=${port}`,
        `--cert-dir=${folder.path}`,
        '--service-cluster-ip-range=10.0.0.0/24',
        '--service-account-issuer=https://bascule.test',
        `--service-account-key-file=${inFolder('service-account.key')}`,
        `--service-account-signing-key-file=${inFolder('service-account.key')}`,
        `--token-auth-file=${inFolder('tokens.csv')}`,
        '--authorization-mode=RBAC',
        // It would publish its own address, and the loopback address is none that it accepts.
        '--endpoint-reconciler-type=none',
      ],
    }),
    async isReady() {
      if (!existsSync(caFile)) return false;
      return (
        (await ask('GET', '/readyz')).status === 200 && (await ask('GET', '/api/v1/namespaces/default')).status === 200
      );
    },
    async populate() {
      const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
      await put('/api/v1/namespaces', { metadata: { name: NAMESPACE } });
      await put(`${rbac}/roles`, {
        metadata: { name: READER },
        rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] }],
      });
      await put(`${rbac}/rolebindings`, {
        metadata: { name: READER },
        subjects: [{ kind: 'User', name: READER, apiGroup: 'rbac.authorization.k8s.io' }],
        roleRef: { kind: 'Role', name: READER, apiGroup: 'rbac.authorization.k8s.io' },
      });
    },
    async afterStop() {
      await store.stop();
      folder.remove();
    },
  });
  const more = {
    namespace: NAMESPACE,
    ca: readFileSync(caFile, 'utf8'),
    caFile,
    adminToken,
    adminTokenFile,
    readOnlyToken,
    store,
    ask,
  };
  return Object.assign(running, more);
}

interface Question {
  readonly method: string;
  readonly port: number;
  readonly path: string;
  readonly ca: Buffer;
  readonly token: string;
}

function askHttps({ token, ...to }: Question, body?: object): Promise<{ status: number; json: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const asking = request({ host: '127.0.0.1', agent: false, headers, ...to }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => {
        const isJson = answer.headers['content-type']?.startsWith('application/json') === true;
        resolve({ status: answer.statusCode ?? 0, json: isJson ? JSON.parse(text) : text });
      });
      answer.on('error', reject);
    });
    asking.on('error', reject);
    asking.setTimeout(5_000, () => asking.destroy(new Error('Kubernetes does not answer')));
    asking.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
