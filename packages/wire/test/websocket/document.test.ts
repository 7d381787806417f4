import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { RequestHead } from '@bascule/core';
import { startSockets } from './support.ts';

/** Bytes of the page's examples: pairs of hex digits in front of the words. */
async function readExamples(): Promise<Buffer[]> {
  const page = await readFile(new URL('../../../../docs/websocket.md', import.meta.url), 'utf8');
  return [...page.matchAll(/```text\n([^`]*)```/g)].map(([, block = '']) =>
    Buffer.concat(
      block
        .split('\n')
        .map((line) => Buffer.from(/^(?:[0-9a-f]{2} ?)*/.exec(line)?.[0].replaceAll(' ', '') ?? '', 'hex')),
    ),
  );
}

it('answers the example of the documentation as the documentation says', async () => {
  const [request, answer] = await readExamples();
  const heads: RequestHead[] = [];
  const { connect } = await startSockets((head, reply) => {
    heads.push(head);
    return {
      write() {},
      end() {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc+proto'] });
        reply.write(Buffer.from('00000000040a02686f', 'hex'));
        reply.end(['grpc-status', '0']);
      },
      cancel() {},
      grant() {},
    };
  });
  const client = await connect();
  const answered = new Promise<Buffer>((resolve) => client.webSocket.once('message', resolve));
  client.webSocket.send(request as Buffer);
  expect(await answered).toEqual(answer);
  expect(heads[0]).toMatchObject({ path: '/demo.v1.Hello/Say' });
  expect(heads[0]?.fields.slice(4, 8)).toEqual(['grpc-timeout', '1000m', 'x-a', '1']);
});
