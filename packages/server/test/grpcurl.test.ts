import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { createTokenInterceptor } from '@bascule/kit';
import { canJudge, goTool } from '@bascule/testing/go-tool';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createDemo } from './demo-routes.ts';
import { closeAll, start } from './rig.ts';

afterEach(closeAll);

const SERVICE = 'demo.ranking.v1.RankingService';

describe.skipIf(!canJudge('grpcurl on a server that tells of itself'))(
  'grpcurl against a server that tells of itself',
  () => {
    let grpcurl: string;
    beforeAll(async () => {
      grpcurl = await goTool('grpcurl');
    }, 300_000);

    async function open(options: Partial<Parameters<typeof start>[0]> = {}) {
      const { server } = await start({ routes: createDemo().routes, introspection: true, ...options });
      const address = `127.0.0.1:${server.port}`;
      const run = async (...words: string[]): Promise<string> => {
        const { stdout } = await promisify(execFile)(grpcurl, [
          '-plaintext',
          ...words.map((w) => w.replace('@', address)),
        ]);
        return stdout;
      };
      return { server, address, run };
    }

    it('lists, describes and calls by reflection', async () => {
      const { run } = await open();
      expect((await run('@', 'list')).trim().split('\n')).toEqual([
        SERVICE,
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
      ]);
      expect(await run('@', 'describe', SERVICE)).toContain('rpc Watch');
      expect(await run('@', 'describe', 'demo.ranking.v1.RankRequest')).toContain('call_id');
      expect(JSON.parse(await run('-d', '{"callId":"asked"}', '@', `${SERVICE}/Rank`))).toEqual({ callId: 'asked' });
      expect(await run('-d', `{"service":"${SERVICE}"}`, '@', 'grpc.health.v1.Health/Check')).toContain('SERVING');
    });

    it('needs the token that all calls need', async () => {
      const { run } = await open({ interceptors: [createTokenInterceptor('s3cret')] });
      await expect(run('@', 'list')).rejects.toThrow(/Unauthenticated|token/);
      expect(await run('-H', 'authorization: Bearer s3cret', '@', 'list')).toContain(SERVICE);
    });

    it('finds nothing where introspection is off', async () => {
      const { run } = await open({ introspection: false });
      await expect(run('@', 'list')).rejects.toThrow(/does not support the reflection API/);
    });

    it('hears through a watch of health that the server goes, and does not hold it up', async () => {
      const { server, address } = await open({ drainTimeoutMs: 20_000 });
      const watch = spawn(grpcurl, ['-plaintext', address, 'grpc.health.v1.Health/Watch']);
      const ended = once(watch, 'exit');
      let output = '';
      for (const stream of [watch.stdout, watch.stderr])
        stream.on('data', (bytes: Buffer) => (output += String(bytes)));
      await expect.poll(() => output).toContain('"SERVING"');
      await server.close();
      await ended;
      expect(output).toContain('"NOT_SERVING"');
      expect(output).toContain('the server is closing');
    });
  },
);
