import type { Clock } from '@bascule/core';
import type { DiscoveryResponse } from '@bascule/schema/gen/peers/envoy/discovery_pb.ts';
import { readAssignment } from '../peers/xds/assignment.ts';
import { createFollowedClusters } from '../peers/xds/followed-clusters.ts';
import { readResources } from '../peers/xds/resources.ts';
import { runStream } from '../peers/xds/stream.ts';
import { parseXdsUrl } from '../peers/xds/target.ts';
import { SpecError, type ClosableTransport, type SourceOptions } from '../spec.ts';
import type { Feed, SourceDriver } from './feed.ts';

/**
 * A stream is opened anew this often: a server that hangs says as little as one that has no news, and a second answer
 * is the only way to learn whether somebody who is missing has left.
 */
const LIFE_MS = 60_000;
/** While somebody is missing. */
const DOUBTING_LIFE_MS = 10_000;

/** Endpoints of clusters, as a management server of xDS tells them (EDS, version 3, state of the world). */
export function openXdsSource(options: SourceOptions): SourceDriver {
  const { clock, defaults, credentials } = options;
  const target = parseXdsUrl(options.url);
  if ((credentials.username ?? credentials.password) !== undefined) {
    throw new SpecError('management servers of xDS take no password: give a token, or a certificate');
  }
  const transports = target.origins.map((origin) => options.dial(origin, credentials));
  const followed = createFollowedClusters();
  let sessions = 0;

  /** Returns why the answer is refused. What is good in it counts all the same. */
  function take(response: DiscoveryResponse, feed: Feed): string | undefined {
    const faults: string[] = [];
    const blame = (fault: string): void => {
      faults.push(fault);
      feed.warning(fault);
    };
    for (const assignment of readResources(response, blame)) {
      // Servers may tell of all clusters that they have.
      if (!target.clusters.includes(assignment.clusterName)) continue;
      followed.told(assignment.clusterName, response.versionInfo, readAssignment(assignment, defaults, blame), feed);
    }
    feed.connected();
    return faults.length === 0 ? undefined : faults.join('; ');
  }

  return {
    async follow(feed, signal) {
      const transport = transports[sessions++ % transports.length] as ClosableTransport;
      while (!signal.aborted) {
        followed.streamBegan();
        await runStream({
          transport,
          target,
          clock,
          signal,
          onResponse: (response) => take(response, feed),
          lifeMs: () => (followed.hasDoubts() ? DOUBTING_LIFE_MS : LIFE_MS) * jitter(clock),
        });
        if (!signal.aborted) followed.streamEnded(feed);
      }
    },
    async close() {
      await Promise.all(transports.map((transport) => transport.close()));
    },
  };
}

function jitter(clock: Clock): number {
  return 0.8 + 0.4 * clock.random();
}
