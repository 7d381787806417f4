import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AdminService } from '../src/gen/bascule/admin/v1/admin_pb.ts';
import { Policy } from '../src/gen/bascule/config/v1/balancing_pb.ts';
import { ServicePolicySchema } from '../src/gen/bascule/config/v1/config_pb.ts';
import { ModuleService } from '../src/gen/bascule/modules/v1/modules_pb.ts';
import { RegistryService } from '../src/gen/bascule/registry/v1/registry_pb.ts';
import { create, fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { digestOf, methodFactsOf, schemaOf } from '../src/index.ts';

describe('schema', () => {
  it('holds what services need, whatever the order they are named in', () => {
    const schema = schemaOf([RegistryService, ModuleService]);
    expect(schemaOf([ModuleService, RegistryService])).toEqual(schema);
    expect(digestOf(schema)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(digestOf(schema)).not.toBe(digestOf(schemaOf([ModuleService])));
  });

  it('has the same digest in another process', () => {
    const script = `
      import { AdminService } from './src/gen/bascule/admin/v1/admin_pb.ts';
      import { digestOf, schemaOf } from './src/index.ts';
      process.stdout.write(digestOf(schemaOf([AdminService])));`;
    const options = { cwd: join(import.meta.dirname, '..'), encoding: 'utf8' } as const;
    const digest = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
    expect(digest).toBe(digestOf(schemaOf([AdminService])));
  });

  it('tells kind and idempotency of each method', () => {
    const facts = methodFactsOf(schemaOf([ModuleService, RegistryService]));
    const short = facts.map(({ service, method, kind, idempotency }) =>
      [service.split('.').at(-1), method, kind, idempotency].join(' '),
    );
    expect(short).toEqual(
      expect.arrayContaining([
        'ModuleService Deploy client_stream unknown',
        'ModuleService ListVersions unary no_side_effects',
        'RegistryService Register unary idempotent',
        'RegistryService Watch server_stream no_side_effects',
      ]),
    );
  });

  it('says so when it is not one', () => {
    expect(() => methodFactsOf(Uint8Array.of(1, 2, 3))).toThrow();
  });
});

describe('generated enums', () => {
  it('make the round trip as objects, since Node does not run enums', () => {
    const message = create(ServicePolicySchema, { policy: Policy.LEAST_REQUEST });
    expect(fromBinary(ServicePolicySchema, toBinary(ServicePolicySchema, message)).policy).toBe(Policy.LEAST_REQUEST);
    const json = toJsonString(ServicePolicySchema, message);
    expect(json).toBe('{"policy":"POLICY_LEAST_REQUEST"}');
    expect(fromJsonString(ServicePolicySchema, json).policy).toBe(3);
  });
});
