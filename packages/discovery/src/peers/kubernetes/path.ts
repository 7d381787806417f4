import type { KubernetesTarget } from './target.ts';

/** Path of a question about EndpointSlices, with its query. */
export function pathOf({ namespace, selector }: KubernetesTarget, query: Readonly<Record<string, string>>): string {
  const all = new URLSearchParams({ labelSelector: selector, ...query });
  return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${all.toString()}`;
}
