import { SpecError } from '../../spec.ts';
import { readSystemUrl } from '../system-url.ts';

/** Which clusters are followed, and at which management servers. */
export interface XdsTarget {
  /** In turn, when one is lost. */
  readonly origins: readonly string[];
  readonly clusters: readonly string[];
  /** By the aggregated service, which some servers have alone. */
  readonly isAggregated: boolean;
  /** What servers know us by, and may choose their answers by. */
  readonly node: { readonly id: string; readonly cluster: string };
}

/** There is no port that all use; this is the one of go-control-plane's examples. */
const DEFAULT_PORT = 18_000;
const OURSELVES = 'bascule';

/** Reads `xds://host:port/cluster[,cluster]?ads=true&node=&nodeCluster=`, or `xds+https://` over TLS. Throws SpecError. */
export function parseXdsUrl(url: URL): XdsTarget {
  const read = readSystemUrl(url, {
    port: DEFAULT_PORT,
    parameters: ['ads', 'node', 'nodeCluster'],
  });
  const [names = '', ...more] = read.segments;
  const clusters = names.split(',').filter((name) => name !== '');
  if (clusters.length === 0 || more.length > 0) {
    throw new SpecError(
      `${url.href} must read ${url.protocol}//host:port/cluster[,cluster], with a "/" in names as %2F`,
    );
  }
  return {
    origins: read.origins,
    clusters: [...new Set(clusters)],
    isAggregated: read.word('ads', ['false', 'true']) === 'true',
    node: { id: read.one('node') ?? OURSELVES, cluster: read.one('nodeCluster') ?? OURSELVES },
  };
}
