import type { DescService } from '@bufbuild/protobuf';
import { Health } from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '@bascule/schema/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionV1Alpha } from '@bascule/schema/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import type { ConnectRouter } from '@connectrpc/connect';
import { FileIndex } from './file-index.ts';
import { HealthBoard } from './health.ts';
import { reflect } from './reflection.ts';

/** Routes by which a server tells of itself. */
interface Introspection {
  readonly health: HealthBoard;
  routes(router: ConnectRouter): void;
}

/** What `services` can be asked for, with itself among what is told. */
export function createIntrospection(services: readonly DescService[]): Introspection {
  const all = [...new Set([...services, Health, ServerReflection, ServerReflectionV1Alpha])];
  const files = new FileIndex(all);
  const names = all.map(({ typeName }) => typeName);
  const health = new HealthBoard(services.map(({ typeName }) => typeName));
  return {
    health,
    routes(router) {
      router.service(Health, health.handlers);
      router.service(ServerReflection, { serverReflectionInfo: (requests) => reflect(requests, files, names) });
      router.service(ServerReflectionV1Alpha, {
        // The same messages by another name.
        serverReflectionInfo: (requests) => reflect(requests as never, files, names) as AsyncIterable<never>,
      });
    },
  };
}
