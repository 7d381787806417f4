import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaOf } from '@bascule/schema';
import { PlacesService } from '@bascule/app-backend/gen/demo/places/v1/places_pb.ts';
import { SUBJECT_CORE } from '../process.ts';
import { startBasculeGateway } from './bascule-gateway.ts';
import { MANY_STREAMS } from './envoy-config.ts';
import type { StartSubject } from './subject.ts';

/** Bascule with its defaults; endpoints are named in its file, with the schema that tells what their methods are. */
export const startBascule: StartSubject = async (options) => {
  const { folder, backendPorts, profile, tls, manyStreams = false, traceCollector = false } = options;
  const home = join(folder, 'bascule');
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'places.binpb'), schemaOf([PlacesService]));
  const config = {
    ...(tls === undefined ? {} : { listener: { tls } }),
    discovery: {
      endpoints: backendPorts.map((port) => ({
        address: `127.0.0.1:${port}`,
        services: [PlacesService.typeName],
        schema: 'places.binpb',
      })),
    },
    ...(manyStreams ? { calls: { maxOpenCalls: MANY_STREAMS } } : {}),
    observe: { accessLog: 'access.log' },
  };
  const nodeArgs = traceCollector ? ['--trace-gc'] : [];
  const gateway = await startBasculeGateway({ home, config, profile, nodeArgs, core: SUBJECT_CORE });
  return {
    ...gateway,
    name: 'Bascule',
    settings: [
      `bascule gateway, Node ${process.versions.node} without flags, one thread`,
      `${backendPorts.length} static endpoints with schema; all else is default: least-request, retries with a budget,`,
      'deadlines, CORS, /metrics, access log in JSON to a file',
      ...(tls === undefined ? [] : ['listener.tls with a P-256 certificate']),
      ...(manyStreams ? [`calls.maxOpenCalls: ${MANY_STREAMS}`] : []),
      ...(profile === undefined ? [] : ['under the CPU profiler: not a result']),
    ],
    ...(traceCollector ? { collectorLog: gateway.logFile } : {}),
  };
};
