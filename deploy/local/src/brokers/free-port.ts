import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** A loopback port that is free now. Another program may take it before it is used, so callers must be ready to try again. */
export function freePort(): Promise<number> {
  return listenOnce(0);
}

/** A free port such that the port `offset` above it is free too: a Redis Cluster node's bus is 10,000 above its port. */
export async function freePortPair(offset: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = await freePort();
    if (port + offset > 65_535) continue;
    try {
      await listenOnce(port + offset);
      return port;
    } catch {
      // The second port is taken.
    }
  }
  throw new Error(`no two free ports ${offset} apart`);
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, LOOPBACK, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}
