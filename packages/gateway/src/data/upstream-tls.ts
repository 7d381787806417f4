import type { EndpointTls } from '@bascule/client';
import type { LinkTls } from '@bascule/wire';
import type { ClusterFacts, UpstreamTls } from '../snapshot.ts';

/** What connections to endpoints show and trust, kept in step with the snapshot. */
interface UpstreamTlsTable {
  /** Takes over what files hold by now. */
  apply(clusters: readonly Pick<ClusterFacts, 'tls'>[]): void;
  /** Goes with the snapshot from then on. */
  of(tls: UpstreamTls | undefined): EndpointTls | undefined;
}

interface Entry {
  digest: string;
  link: LinkTls;
}

/** `onRenewed` hears of names whose files hold something else now. */
export function createUpstreamTlsTable(onRenewed: (name: string) => void): UpstreamTlsTable {
  const entries = new Map<string, Entry>();

  function take({ name, digest, link }: UpstreamTls): void {
    const entry = entries.get(name);
    if (entry === undefined) return void entries.set(name, { digest, link });
    if (entry.digest === digest) return;
    entry.digest = digest;
    entry.link = link;
    onRenewed(name);
  }

  return {
    apply(clusters) {
      const present = new Map(clusters.flatMap(({ tls }) => (tls === undefined ? [] : [[tls.name, tls]])));
      for (const name of entries.keys()) if (!present.has(name)) entries.delete(name);
      for (const tls of present.values()) take(tls);
    },
    of(tls) {
      if (tls === undefined) return undefined;
      const { name, required } = tls;
      // The entry itself: links that drain keep it, whatever becomes of the name.
      const entry = entries.get(name) ?? { digest: tls.digest, link: tls.link };
      return { name, required, current: () => entry.link };
    },
  };
}
