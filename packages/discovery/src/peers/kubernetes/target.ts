import { SpecError } from '../../spec.ts';

/** Which EndpointSlices of which cluster are followed. */
export interface KubernetesTarget {
  /** Host and port of the API server, or empty: the kubeconfig or the pod that we run in tells. */
  readonly apiHost: string;
  readonly namespace: string;
  /** As a label selector; empty for none. */
  readonly selector: string;
  /** A pod that answers for several Services is one instance per port. */
  readonly isOneService: boolean;
  /** Name of the port that calls go to; undefined where slices have one that is clear. */
  readonly portName: string | undefined;
  /** Which address of an instance that has both is taken. */
  readonly family: 'IPv4' | 'IPv6';
  /** File name, as it was written. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** How long the API server holds a watch open, at most. */
  readonly watchSeconds: number;
}

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** What a Service is labelled with, and its slices with it, to be found without being named. */
const FOUND_BY = 'bascule=true';

/** Kubernetes has no name longer than this that could be a namespace or a Service. Source: RFC 1123. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const PARAMETERS = ['port', 'family', 'labelSelector', 'kubeconfig', 'context', 'watchSeconds'];
const FORM = 'kubernetes://[host:port]/namespace[/service,service]';

/**
 * A watch ends this often, and with it the longest time that an API server may hang unnoticed. It says nothing while
 * nothing changes, and its connection has no sign of life of its own.
 */
const WATCH_SECONDS = 20;
const [MIN_WATCH_SECONDS, MAX_WATCH_SECONDS] = [2, 300];

/** Reads `kubernetes://[host:port]/namespace[/service,service]?port=&family=&labelSelector=&...`. Throws SpecError. */
export function parseKubernetesUrl(url: URL): KubernetesTarget {
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw new SpecError(`${url.href}: there is no parameter "${name}"; there are ${PARAMETERS.join(', ')}`);
    }
  }
  if (url.hash !== '') throw new SpecError(`${url.href}: nothing may follow "#"`);
  if (url.username !== '' || url.password !== '') throw new SpecError('credentials do not belong into the URL');
  const [namespace = '', services, ...more] = url.pathname.slice(1).split('/');
  if (!NAME.test(namespace) || more.length > 0) throw new SpecError(`${url.href} must read ${FORM}`);
  const names = namesOf(services, url);
  const get = (name: string): string | undefined => url.searchParams.get(name) || undefined;
  const [kubeconfig, context] = [get('kubeconfig'), get('context')];
  if (url.host !== '' && (kubeconfig ?? context) !== undefined) {
    throw new SpecError(`${url.href} names the API server twice: leave out ${url.host} or the kubeconfig`);
  }
  return {
    apiHost: url.host,
    namespace,
    selector: selectorOf(names, get('labelSelector')),
    isOneService: names.length === 1,
    portName: get('port'),
    family: familyOf(get('family'), url),
    kubeconfig,
    context,
    watchSeconds: secondsOf(get('watchSeconds'), url),
  };
}

function namesOf(services: string | undefined, url: URL): string[] {
  const names = services === undefined || services === '' ? [] : services.split(',');
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong === undefined) return [...new Set(names)];
  throw new SpecError(`${url.href}: ${JSON.stringify(wrong)} is no name of a Service`);
}

/** All slices of a namespace would be those of every database in it as well. */
function selectorOf(services: readonly string[], given: string | undefined): string {
  if (services.length === 0) return given ?? FOUND_BY;
  const named = `${SERVICE_NAME_LABEL} in (${services.join(',')})`;
  return given === undefined ? named : `${named},${given}`;
}

function familyOf(given: string | undefined, url: URL): 'IPv4' | 'IPv6' {
  if (given === undefined || given === 'ipv4') return 'IPv4';
  if (given === 'ipv6') return 'IPv6';
  throw new SpecError(`${url.href}: family must be ipv4 or ipv6 (got ${JSON.stringify(given)})`);
}

function secondsOf(given: string | undefined, url: URL): number {
  if (given === undefined) return WATCH_SECONDS;
  const seconds = Number(given);
  if (Number.isInteger(seconds) && seconds >= MIN_WATCH_SECONDS && seconds <= MAX_WATCH_SECONDS) return seconds;
  throw new SpecError(
    `${url.href}: watchSeconds must be ${MIN_WATCH_SECONDS} to ${MAX_WATCH_SECONDS} (got ${JSON.stringify(given)})`,
  );
}
