import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BROKER_RIGHTS, natsAuthorization, type BrokerUser } from '@muster/messages';
import { natsRoutes, newPassword, writePrivateFile } from './brokers/index.js';
import { readOrCreate } from './stack/command-keys.js';

const ROUTES_FILE = 'nats-routes.conf';

const { values, positionals } = parseArgs({
  options: { route: { type: 'string', multiple: true, default: [] }, rotate: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [folder] = positionals;
if (folder === undefined) {
  console.error('usage: npm run nats-users -- FOLDER [--route HOST:PORT]... [--rotate]');
  process.exitCode = 2;
} else if (values.rotate && values.route.length === 0 && existsSync(join(folder, ROUTES_FILE))) {
  // With the old password a server of the cluster, or who knows it, would still be let in.
  console.error(`${join(folder, ROUTES_FILE)} has a password too: say --route HOST:PORT for each server, as before`);
  process.exitCode = 2;
} else {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const password = async (name: string): Promise<string> => {
    if (values.rotate) await writePrivateFile(join(folder, name), newPassword());
    return readOrCreate(join(folder, name), newPassword);
  };
  const users = {} as Record<BrokerUser, string>;
  for (const user of Object.keys(BROKER_RIGHTS) as BrokerUser[]) {
    users[user] = await password(`${user}-password`);
  }
  await writePrivateFile(join(folder, 'nats-users.conf'), natsAuthorization({ users }));
  if (values.route.length > 0)
    await writePrivateFile(join(folder, ROUTES_FILE), natsRoutes(await password('routes-password'), values.route));
  console.log(`${folder}: nats-users.conf, and a password for each of ${Object.keys(users).join(', ')}`);
}
