import { systemClock } from '@bascule/core';
import { describeServiceContract } from '@bascule/testing';
import { listen } from '../../src/listener.ts';
import { connectSocket } from './client.ts';

describeServiceContract(
  'a WebSocket and a listener',
  async (callee) => {
    const listener = await listen({ host: '127.0.0.1', port: 0, service: callee, clock: systemClock, webSocket: {} });
    const client = await connectSocket(`ws://127.0.0.1:${listener.port}/bascule.v1/ws`);
    return {
      service: client.service,
      async close() {
        client.webSocket.terminate();
        await listener.close(0);
      },
    };
  },
  {
    except: {
      fail: 'frames have no word for it: TRAILERS says the code',
      'fail-after-head': 'the same: TRAILERS says the code',
      status: 'frames have no HTTP status: TRAILERS says the code it stands for',
    },
  },
);
