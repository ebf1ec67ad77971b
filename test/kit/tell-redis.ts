import { connect } from 'node:net';

/** Sends one inline command, and resolves with its answer, as far as it comes at once. */
export async function tellRedis(url: string, command: string): Promise<string> {
  const { hostname, port, username, password } = new URL(url);
  const auth = password === '' ? '' : `AUTH ${username} ${password}\r\n`;
  return new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(`${auth}${command}\r\n`));
    socket.setTimeout(5_000, () => socket.destroy(new Error('redis did not answer')));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once('error', reject);
  });
}
