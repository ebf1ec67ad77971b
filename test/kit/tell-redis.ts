import { connect } from 'node:net';

/** Sends one inline command, and waits for its answer. */
export async function tellRedis(url: string, command: string): Promise<void> {
  const { hostname, port, username, password } = new URL(url);
  const auth = password === '' ? '' : `AUTH ${username} ${password}\r\n`;
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(`${auth}${command}\r\n`));
    socket.setTimeout(5_000, () => socket.destroy(new Error('redis did not answer')));
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
