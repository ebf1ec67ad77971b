/**
 * What stands in the `cluster` block of every nats-server, in a file of its own: who may join, and the servers that are
 * asked first. Without it whoever reaches the port is a server of the cluster, and its clients are nobody's users.
 * `hosts`: `HOST:PORT` each.
 */
export function natsRoutes(password: string, hosts: readonly string[]): string {
  const routes = hosts.map((host) => `  nats://${USER}:${password}@${host}`);
  return [
    `authorization { user: ${USER}, password: ${JSON.stringify(password)}, timeout: 2 }`,
    'routes: [',
    ...routes,
    ']',
    '',
  ].join('\n');
}

const USER = 'routes';
