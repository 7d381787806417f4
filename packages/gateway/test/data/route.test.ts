import { Code, type Service } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createRouteLayer, createRouteTable } from '../../src/data/route.ts';
import { clusterOf, SEARCH } from '../support.ts';

const PATH = `/${SEARCH.service}/${SEARCH.method}`;

const answering: Service = (_head, reply) => ({
  write() {},
  end: () => reply.end(['grpc-status', '0']),
  cancel() {},
  grant() {},
});

describe('route', () => {
  it('tells the layers behind it cluster and method', async () => {
    const head = createHead({ path: PATH });
    const call = startCall(createRouteLayer(() => createRouteTable([clusterOf()]))(answering), head);
    call.body.end();
    await call.done;
    expect(head.call).toMatchObject({ cluster: SEARCH.service, method: SEARCH });
  });

  it.each([
    ['another method', `/${SEARCH.service}/Serach`],
    ['another service', '/demo.Other/Search'],
    ['another case', PATH.toLowerCase()],
    ['no method', '/demo.places.v1.PlacesService'],
    ['nothing', '/'],
    ['a name of every object', '/__proto__/constructor'],
    ['a very long path', `/${'x'.repeat(10_000)}`],
  ])('refuses %s as unimplemented', async (_name, path) => {
    const call = startCall(createRouteLayer(() => createRouteTable([clusterOf()]))(answering), createHead({ path }));
    await call.done;
    expect(call.error).toMatchObject({ code: Code.unimplemented, processed: 'never-sent' });
    expect(call.error?.message.length).toBeLessThan(400);
  });

  it('lets any method of a service without descriptors through, as one of which nothing is known', async () => {
    const head = createHead({ path: '/demo.Opaque/Anything' });
    const table = createRouteTable([clusterOf({ service: 'demo.Opaque', methods: [] })]);
    const call = startCall(createRouteLayer(() => table)(answering), head);
    call.body.end();
    await call.done;
    expect(head.call).toMatchObject({ cluster: 'demo.Opaque', method: undefined });
  });
});
