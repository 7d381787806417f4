import { toBinary } from '@bufbuild/protobuf';
import { durationMs, type Duration } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { EndpointSchema, Protocol, type Endpoint } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';

const MAX_RECORD_BYTES = 16_384;
const MAX_LABELS = 64;
const MAX_SERVICES = 256;
const MAX_SERVICE_LENGTH = 255;
const MAX_WEIGHT = 65_535;
/** The priorities of one rank must not reach into those of the next. */
const MAX_PRIORITY = 65_535;
const DEFAULT_TTL_MS = 15_000;
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 600_000;

// Names become log lines, metric labels and map keys: no control characters, no paths, no "__proto__".
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,254}$/;
const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$/;
const SERVICE = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;
// Nor what steers a terminal or a log viewer without being seen.
const PLAIN = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{0,255}$/u;

/** Refuses what is not a sound record with `invalid_argument` and the name of the field. */
export function validateEndpoint(endpoint: Endpoint | undefined): Endpoint {
  if (endpoint === undefined) throw invalid('endpoint', 'is missing');
  const size = toBinary(EndpointSchema, endpoint).length;
  check(size <= MAX_RECORD_BYTES, 'endpoint', `has ${size} bytes, at most ${MAX_RECORD_BYTES} are allowed`);
  check(NAME.test(endpoint.instanceId), 'endpoint.instance_id', 'must be 1 to 255 of A-Z a-z 0-9 . _ : @ -');
  const { incarnation } = endpoint;
  check(
    incarnation >= 0n && incarnation <= BigInt(Number.MAX_SAFE_INTEGER),
    'endpoint.incarnation',
    'must be 0 to 2^53 - 1',
  );
  check(HOST.test(endpoint.host), 'endpoint.host', 'must be a host name or an address without brackets');
  check(endpoint.port >= 1 && endpoint.port <= 65_535, 'endpoint.port', 'must be 1 to 65535');
  check(endpoint.protocol !== Protocol.UNSPECIFIED, 'endpoint.protocol', 'must be said, as in PROTOCOL_GRPC');
  check((endpoint.weight ?? 1) <= MAX_WEIGHT, 'endpoint.weight', `must be 0 to ${MAX_WEIGHT}`);
  check(endpoint.priority <= MAX_PRIORITY, 'endpoint.priority', `must be 0 to ${MAX_PRIORITY}`);
  check(PLAIN.test(endpoint.zone), 'endpoint.zone', 'must be at most 255 characters without control characters');
  check(PLAIN.test(endpoint.moduleVersion), 'endpoint.module_version', 'must be at most 255 plain characters');
  check(
    endpoint.schemaDigest === '' || DIGEST.test(endpoint.schemaDigest),
    'endpoint.schema_digest',
    'must be sha256:<64 hex digits>',
  );
  validateServices(endpoint.services);
  validateLabels(endpoint.labels);
  return endpoint;
}

function validateServices(services: readonly string[]): void {
  const field = 'endpoint.services';
  check(services.length >= 1 && services.length <= MAX_SERVICES, field, `must be 1 to ${MAX_SERVICES} names`);
  for (const service of services) {
    const isName = service.length <= MAX_SERVICE_LENGTH && SERVICE.test(service);
    check(isName, field, 'must be fully qualified names such as demo.places.v1.PlacesService, at most 255 characters');
  }
  check(new Set(services).size === services.length, field, 'must not name a service twice');
}

function validateLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  check(entries.length <= MAX_LABELS, 'endpoint.labels', `are ${entries.length}, at most ${MAX_LABELS} are allowed`);
  for (const [key, value] of entries) {
    check(LABEL_KEY.test(key), 'endpoint.labels', 'have a key that is not 1 to 128 of A-Z a-z 0-9 . _ / -');
    check(PLAIN.test(value), 'endpoint.labels', 'have a value that is not at most 255 plain characters');
  }
}

/** The TTL of a registration; unset is 15 s. */
export function ttlMsOf(ttl: Duration | undefined): number {
  if (ttl === undefined) return DEFAULT_TTL_MS;
  const ttlMs = durationMs(ttl);
  check(ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS, 'ttl', 'must be 1s to 600s');
  return ttlMs;
}

/** Whether a text is short and shows as what it is. */
export function isPlain(text: string): boolean {
  return PLAIN.test(text);
}

const DEFAULT_NAMESPACE = 'default';
const NAMESPACE = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** The name of a namespace; empty is "default". */
export function namespaceOf(name: string): string {
  if (name === '') return DEFAULT_NAMESPACE;
  check(NAMESPACE.test(name), 'namespace', 'must be 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit');
  return name;
}

function check(isSound: boolean, field: string, message: string): void {
  if (!isSound) throw invalid(field, message);
}

/** An `invalid_argument` that names the field. */
export function invalid(field: string, message: string): ConnectError {
  return new ConnectError(`${field} ${message}`, Code.InvalidArgument);
}

/** Whether a pair may be a label. */
export function isLabel(key: string, value: string): boolean {
  return LABEL_KEY.test(key) && PLAIN.test(value);
}
