import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { ResourceSchema, type DiscoveryResponse } from '@bascule/schema/gen/peers/envoy/discovery_pb.ts';
import { ClusterLoadAssignmentSchema, type ClusterLoadAssignment } from '@bascule/schema/gen/peers/envoy/eds_pb.ts';
import { quoteStart } from '../quote.ts';

const PREFIX = 'type.googleapis.com/';
export const ASSIGNMENT_TYPE = `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
const WRAPPER_TYPE = `${PREFIX}envoy.service.discovery.v3.Resource`;

/** The assignments of an answer; `onGarbage` hears of what is none, and the others are not stopped by it. */
export function readResources(
  { resources }: DiscoveryResponse,
  onGarbage: (why: string) => void,
): ClusterLoadAssignment[] {
  return resources.flatMap((resource, index) => {
    try {
      const assignment = readOne(resource);
      return assignment === undefined ? [] : [assignment];
    } catch (error) {
      onGarbage(`resource ${index}: ${(error as Error).message}`);
      return [];
    }
  });
}

function readOne(given: Any): ClusterLoadAssignment | undefined {
  const any = given.typeUrl === WRAPPER_TYPE ? fromBinary(ResourceSchema, given.value).resource : given;
  if (any === undefined) return undefined;
  if (any.typeUrl !== ASSIGNMENT_TYPE) throw new Error(`it is a ${quoteStart(any.typeUrl)}`);
  const assignment = fromBinary(ClusterLoadAssignmentSchema, any.value);
  if (assignment.clusterName === '') throw new Error('it names no cluster');
  return assignment;
}
